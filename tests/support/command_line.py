"""What the tests of the commands share: how they are called, and the queue that they work on."""

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import run
from forwarder.queue.settlement import Settlement, settle
from forwarder.queue.stream import Entry

KEYS = Keys()
"""Of the default destination."""
EVENT = {"trace_id": "t1", "value": 1}
Cli = Callable[..., Result]
"""Calls a command; options are those of the runner."""


def entries(client: Client, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """All entries of a stream."""
    return client.xrange(key)  # type: ignore[return-value]  # redis-py's types allow for decoded answers, and for none


def bury(client: Client, letters: list[DeadLetter]) -> list[str]:
    """Let these die as a drain would; answers their ids."""
    for letter in letters:
        client.xadd(KEYS.events, {"body": letter.body})
    if not client.exists(KEYS.dead):
        client.xgroup_create(KEYS.events, GROUP, id="0")
    reply: Any = client.xreadgroup(GROUP, "drain", {KEYS.events: ">"}, count=len(letters))
    pairs = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
    read = [Entry(*pair) for pair in pairs]
    dead = [Settlement(one, 1, [letter]) for one, letter in zip(read, letters, strict=True)]
    run(client, settle(KEYS, dead, {}))
    return [entry_id.decode() for entry_id, _ in entries(client, KEYS.dead)]


def letter(trace_id: str, reason: str = "rejected", **fields: Any) -> DeadLetter:  # noqa: ANN401 - its fields
    """One that is refused, if nothing else is said."""
    body = json.dumps({"trace_id": trace_id, "value": 1}).encode()
    return DeadLetter(**{"body": body, "reason": reason, "error": f"no trace {trace_id!r}", "at_ms": 5, **fields})


def queued(client: Client) -> list[Any]:
    """All events on the queue."""
    found: list[Any] = []
    for _, fields in entries(client, KEYS.events):
        body = json.loads(fields[b"body"])
        found += body if isinstance(body, list) else [body]
    return found


def lines(count: int) -> str:
    """So many events, one a line."""
    return "".join(json.dumps({"trace_id": f"t{number}", "value": 1}) + "\n" for number in range(count))
