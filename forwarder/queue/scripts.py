"""Atomic steps: each a Lua file beside this module, run with one round trip by sync and async clients alike.

A `Step` is a value: what to run, on which keys, and how to read the answer. Building one is pure, so the modules of
this package describe each step once, and both kinds of client run it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

import redis
import redis.asyncio
from redis.exceptions import NoScriptError

Answer = TypeVar("Answer")
Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Step(Generic[Answer]):
    """One atomic step.

    Attributes:
        script: the name of the Lua file, without its ending.
        keys: KEYS, all of one hash slot.
        args: ARGV.
        read: turns Redis's reply into the answer.
    """

    script: str
    keys: Sequence[str]
    args: Sequence[Argument]
    read: Callable[[Any], Answer]


def run(client: redis.Redis, step: Step[Answer]) -> Answer:
    """Run a step; loads the script when the server does not have it."""
    code, digest = source(step.script)
    try:
        reply = client.evalsha(digest, len(step.keys), *step.keys, *step.args)
    except NoScriptError:
        reply = client.eval(code, len(step.keys), *step.keys, *step.args)
    return step.read(reply)


async def run_async(client: redis.asyncio.Redis, step: Step[Answer]) -> Answer:
    """The same for an asyncio client."""
    code, digest = source(step.script)
    try:
        reply = await client.evalsha(digest, len(step.keys), *step.keys, *step.args)
    except NoScriptError:
        reply = await client.eval(code, len(step.keys), *step.keys, *step.args)
    return step.read(reply)


@cache
def source(name: str) -> tuple[str, str]:
    """A script's text and its SHA-1, by which the server knows it."""
    code = files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")
    return code, hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()
