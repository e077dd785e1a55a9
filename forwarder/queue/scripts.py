"""Atomic steps: each a Lua file beside this module, run with one round trip by sync and async clients alike.

A `Step` is a value: what to run, on which keys, and how to read the answer. Building one is pure, so the modules of
this package describe each step once, and both kinds of client run it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

import redis
import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from forwarder.errors import ForwarderError
from forwarder.queue.codec import PLAIN, codec_of

Answer = TypeVar("Answer")
Argument = str | bytes | int
Command = tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Step(Generic[Answer]):
    """One atomic step.

    Attributes:
        script: the name of the Lua file, without its ending.
        keys: KEYS, all of one hash slot.
        args: ARGV.
        bodies: which of them, from 0, are bodies of events; they are written as the client's codec says.
        read: turns Redis's reply into the answer.
    """

    script: str
    keys: Sequence[str]
    args: Sequence[Argument]
    read: Callable[[Any], Answer]
    bodies: Sequence[int] = ()


def as_stored(client: object, step: Step[Answer]) -> Step[Answer]:
    """A step whose bodies stand as the client's codec says; the very same when that is as JSON."""
    codec = codec_of(client)
    if codec is PLAIN or not step.bodies:
        return step
    args = list(step.args)
    for at in step.bodies:
        body = args[at]
        args[at] = codec.write(body) if isinstance(body, bytes) else body
    return replace(step, args=args)


def run(client: redis.Redis, step: Step[Answer]) -> Answer:
    """Run a step; loads the script when the server does not have it.

    Raises:
        RedisError: it was refused, or nobody knows whether it was done.
        ForwarderError: what the step says that its answer raises.
    """
    step, (code, digest) = as_stored(client, step), source(step.script)
    try:
        reply = client.evalsha(digest, len(step.keys), *step.keys, *step.args)
    except NoScriptError:
        reply = client.eval(code, len(step.keys), *step.keys, *step.args)
    return step.read(reply)


async def run_async(client: redis.asyncio.Redis, step: Step[Answer]) -> Answer:
    """As `run`, for an asyncio client."""
    step, (code, digest) = as_stored(client, step), source(step.script)
    try:
        reply = await client.evalsha(digest, len(step.keys), *step.keys, *step.args)
    except NoScriptError:
        reply = await client.eval(code, len(step.keys), *step.keys, *step.args)
    return step.read(reply)


class Rounds:
    """Steps as pipelines of commands: by name, and once more in full those that the server does not know.

    Args:
        steps: what to do.
        then: a command at the end of each pipeline.

    Attributes:
        said: what the server answered to it, each time.
    """

    def __init__(self, steps: Sequence[Step[Any]], then: Command = ()) -> None:
        self._steps = steps
        self._then = then
        self._replies: list[Any] = [None] * len(steps)
        self._left = list(range(len(steps)))
        self._by_name = True
        self.said: list[Any] = []

    @property
    def commands(self) -> list[Command]:
        """Of the next pipeline; none when all is done."""
        then = [self._then] if self._then and self._left else []
        return [self._words(self._steps[at]) for at in self._left] + then

    def learn(self, replies: list[Any]) -> None:
        """What the server answered to it."""
        if self._then:
            self.said.append(replies.pop())
        for at, reply in zip(self._left, replies, strict=True):
            self._replies[at] = reply
        unknown = [at for at in self._left if isinstance(self._replies[at], NoScriptError)]
        self._left, self._by_name = unknown if self._by_name else [], False

    @property
    def answers(self) -> list[Any]:
        """Of the steps; one that was refused has its error in the place of its answer."""
        return [_answer(step.read, reply) for step, reply in zip(self._steps, self._replies, strict=True)]

    def _words(self, step: Step[Any]) -> Command:
        code, digest = source(step.script)
        script = ("EVALSHA", digest) if self._by_name else ("EVAL", code)
        return (*script, len(step.keys), *step.keys, *step.args)


def run_all(client: redis.Redis, steps: Sequence[Step[Answer]]) -> list[Answer | RedisError | ForwarderError]:
    """Run steps with one round trip; a step that is refused has its error in the place of its answer.

    Raises:
        RedisError: the connection broke; any of the steps may have been done.
    """
    return run_rounds(client, Rounds([as_stored(client, step) for step in steps])).answers


def run_rounds(client: redis.Redis, rounds: Rounds) -> Rounds:
    """Run them to their end; raises as `run_all`."""
    while commands := rounds.commands:
        with client.pipeline(transaction=False) as pipeline:
            for words in commands:
                pipeline.execute_command(*words)
            rounds.learn(pipeline.execute(raise_on_error=False))
    return rounds


async def run_rounds_async(client: redis.asyncio.Redis, rounds: Rounds) -> Rounds:
    """As `run_rounds`, for an asyncio client."""
    while commands := rounds.commands:
        async with client.pipeline(transaction=False) as pipeline:
            for words in commands:
                pipeline.execute_command(*words)
            rounds.learn(await pipeline.execute(raise_on_error=False))
    return rounds


def _answer(read: Callable[[Any], Answer], reply: Any) -> Answer | RedisError | ForwarderError:  # noqa: ANN401 - any reply
    if isinstance(reply, RedisError):
        return reply
    try:
        return read(reply)
    except ForwarderError as refusal:
        return refusal


@cache
def source(name: str) -> tuple[str, str]:
    """A script's text and its SHA-1, by which the server knows it."""
    code = files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")
    return code, hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()
