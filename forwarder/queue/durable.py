"""Steps whose answer says that more than Redis's memory has what they did: its append-only file, or a replica."""

from typing import Any, Final, Literal

from redis.exceptions import NoScriptError, ResponseError

from forwarder.errors import QueueUnavailable
from forwarder.queue.connection import Client
from forwarder.queue.scripts import Answer, Step, source

Durability = Literal["memory", "aof", "replica"]

_WHAT: Final = {"aof": "its append-only file", "replica": "a replica"}


def run_durably(client: Client, step: Step[Answer], durability: Durability, timeout_s: float) -> Answer:
    """Run a step and wait for more than memory, with one round trip.

    Args:
        client: of the queue.
        step: what to do.
        durability: `aof`: the disk has it (WAITAOF: Redis 7.2, or Valkey); `replica`: one replica has it (WAIT).
        timeout_s: for that; less than the client waits for an answer.

    Raises:
        QueueUnavailable: it was done, but there is no such file or replica, or it did not confirm in time.
    """
    code, digest = source(step.script)
    wait_ms = int(timeout_s * 1_000)
    wait = ("WAITAOF", 1, 0, wait_ms) if durability == "aof" else ("WAIT", 1, wait_ms)
    try:
        reply, confirmed = _both(client, ("EVALSHA", digest), step, wait)
        if isinstance(reply, NoScriptError):
            reply, confirmed = _both(client, ("EVAL", code), step, wait)
    except ResponseError as error:
        raise QueueUnavailable(f"Redis cannot do that: {error}") from None
    if isinstance(reply, Exception):
        raise reply
    answer = step.read(reply)
    _check(confirmed, durability, timeout_s)
    return answer


def _both(client: Client, script: tuple[str, str], step: Step[Any], wait: tuple[str | int, ...]) -> tuple[Any, Any]:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.execute_command(*script, len(step.keys), *step.keys, *step.args)  # type: ignore[no-untyped-call]
        pipeline.execute_command(*wait)  # type: ignore[no-untyped-call]
        reply, confirmed = pipeline.execute(raise_on_error=False)
    return reply, confirmed


def _check(confirmed: Any, durability: Durability, timeout_s: float) -> None:  # noqa: ANN401 - what Redis said
    what = _WHAT[durability]
    if isinstance(confirmed, ResponseError):
        unknown = "unknown command" in str(confirmed)
        mend = "WAITAOF needs Redis 7.2 or Valkey" if unknown else f"{confirmed}".rstrip(".")
        raise QueueUnavailable(f'Redis has the events, but durability="{durability}" is not to be had: {mend}')
    copies = confirmed[0] if isinstance(confirmed, list) else confirmed
    if not copies:
        raise QueueUnavailable(
            f"Redis has the events, but {what} did not confirm them within {timeout_s:g} s; they need not be sent again"
        )
