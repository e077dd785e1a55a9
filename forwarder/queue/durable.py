"""Steps whose answer says that more than Redis's memory has what they did: its append-only file, or a replica.

WAIT and WAITAOF speak of what their own connection has written, so they travel in one pipeline with the steps. A step
that finds its work done by an earlier try writes its trace once more for that reason: else a retry would wait for
nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from forwarder.errors import ForwarderError, QueueUnavailable
from forwarder.queue.clients import worded
from forwarder.queue.connection import AsyncClient, Client
from forwarder.queue.scripts import (
    Answer,
    Command,
    Rounds,
    Step,
    as_stored,
    run,
    run_all,
    run_async,
    run_rounds,
    run_rounds_async,
)
from forwarder.redis_settings import Durability

_WHAT: Final = {"aof": "its append-only file", "replica": "a replica"}


def run_durably(client: Client, step: Step[Answer], durability: Durability, timeout_s: float) -> Answer:
    """Run a step and wait for what is asked, with one round trip.

    Args:
        client: of the queue.
        step: what to do.
        durability: `aof`: the disk has it (WAITAOF: Redis 7.2, or Valkey); `replica`: one replica has it (WAIT);
            `memory`: there is nothing to wait for.
        timeout_s: for that; less than the client waits for an answer.

    Raises:
        QueueUnavailable: it was done, but there is no such file or replica, or it did not confirm in time.
        RedisError: nobody knows whether it was done, or whether it lasts; doing it again tells.
    """
    if durability == "memory":
        return run(client, step)
    answer: Answer = _only(run_all_durably(client, [step], durability, timeout_s))
    return answer


def run_all_durably(
    client: Client, steps: Sequence[Step[Answer]], durability: Durability, timeout_s: float
) -> list[Answer | RedisError | ForwarderError]:
    """Run steps as `run_all`, and wait as above."""
    if durability == "memory":
        return run_all(client, steps)
    rounds = run_rounds(client, Rounds([as_stored(client, step) for step in steps], _wait(durability, timeout_s)))
    return _confirmed(rounds, durability, timeout_s)


async def run_durably_async(
    client: AsyncClient, step: Step[Answer], durability: Durability, timeout_s: float
) -> Answer:
    """As `run_durably`, for an asyncio client."""
    if durability == "memory":
        return await run_async(client, step)
    rounds = await run_rounds_async(client, Rounds([as_stored(client, step)], _wait(durability, timeout_s)))
    answer: Answer = _only(_confirmed(rounds, durability, timeout_s))
    return answer


def _wait(durability: Durability, timeout_s: float) -> Command:
    wait_ms = int(timeout_s * 1_000)
    return ("WAITAOF", 1, 0, wait_ms) if durability == "aof" else ("WAIT", 1, wait_ms)


def _only(answers: list[Any]) -> Any:  # noqa: ANN401 - of the one step
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


def _confirmed(rounds: Rounds, durability: Durability, timeout_s: float) -> list[Any]:
    """The answers, once it is certain that what they did has come so far; what was all refused has done nothing."""
    answers = rounds.answers
    if not all(isinstance(answer, Exception) for answer in answers):
        for said in rounds.said:
            _check(said, durability, timeout_s)
    return answers


def _check(said: Any, durability: Durability, timeout_s: float) -> None:  # noqa: ANN401 - what Redis said
    if isinstance(said, RedisError):
        said = worded(said)
        if isinstance(said, RedisConnectionError):  # it was replaced meanwhile: its successor may not have them
            raise said
        unknown = "unknown command" in str(said)
        mend = "WAITAOF needs Redis 7.2 or Valkey" if unknown else f"{said}".rstrip(".")
        raise QueueUnavailable(f'Redis has the events, but durability="{durability}" is not to be had: {mend}')
    copies = said[0] if isinstance(said, list) else said
    if not copies:
        raise QueueUnavailable(
            f"Redis has the events, but {_WHAT[durability]} did not confirm them within {timeout_s:g} s; "
            "they need not be sent again"
        )
