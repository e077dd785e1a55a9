"""A burst of dead letters: events that are none, and an upstream that refuses every event; a worker's way with both."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from forwarder.queue.connection import Client, connect
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from tests.benchmarks.delivery import Case, drain, fill_with
from tests.benchmarks.events import body_of
from tests.benchmarks.finding import Finding
from tests.benchmarks.queue import queue
from tests.support.sandbox import Sandbox

BURST: Final = Case("burst", events=100_000)
REFUSES: Final = {"kind": "refuse", "field": "value", "equals": 5, "message": "is no score", "name_index": False}
"""What the events of the benchmarks have; it does not say which event it means."""


def findings() -> Iterator[Finding]:
    """Both bursts, each on an empty queue."""
    good = body_of(BURST.per_entry, BURST.event_bytes)
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Sandbox(Path(folder)) as sandbox:
        sandbox.set_faults(REFUSES)
        sandbox.set_keys(["bench"])
        for name, body in (("invalid", good.replace(b'"value":5', b'"value":50')), ("refused one and all", good)):
            with queue() as settings, connect(settings) as client:
                yield _buried(settings, client, sandbox.url, name, body)


def _buried(settings: Settings, client: Client, url: str, name: str, body: bytes) -> Finding:
    fill_with(client, Keys(), body, 1)
    start = drain(settings, url, BURST)
    fill_with(client, Keys(), body, BURST.events // BURST.per_entry)
    used = drain(settings, url, BURST)
    books = run(client, snapshot(Keys()))
    letters = BURST.events + BURST.per_entry
    per_s = BURST.events / (used.wall_s - start.wall_s)
    cpu_us = (used.cpu_s - start.cpu_s) / BURST.events * 1e6
    return Finding(
        f"{BURST.events:,} events, {name}",
        "all of them are dead letters, the books close",
        f"{books.dead - BURST.per_entry:,} letters, {per_s:,.0f}/s, {cpu_us:.1f} µs of a worker's CPU each",
        books.dead == letters and all(line.closes for line in books.lines),
    )
