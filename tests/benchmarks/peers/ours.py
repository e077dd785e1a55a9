"""Ours: one worker at the default settings, and Redis with its append-only file.

Events wait as arrays of 500, as our client and the ingest append them, or alone, as plain XADD does it; or the client's
calls are a part of the run, in a process of their own, beside the worker.
"""

import sys
from collections.abc import Sequence

from typing_extensions import override

from forwarder.queue.keys import Keys
from tests.benchmarks.delivery import Case, fill
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.running import Command
from tests.benchmarks.scene import Scene

WORKER = [sys.executable, "-m", "workers"]


class Queued(Peer):
    """Events that wait on the queue.

    Args:
        name: in the table.
        per_entry: events of one entry.
        many: events.
    """

    ours = True
    few = 500

    def __init__(self, name: str, per_entry: int, many: int) -> None:
        self.name = name
        self.many = many
        self._per_entry = per_entry

    @override
    def prepare(self, place: Scene, events: int) -> None:
        fill(place.client, Keys(), Case(self.name, per_entry=self._per_entry), events // self._per_entry)

    @override
    def delivers(self, place: Scene) -> Sequence[Command]:
        return [WORKER]


class Called(Peer):
    """Events from the client's calls to the sink."""

    ours = True
    name = "our client and a worker"
    few = 500
    many = 500_000

    @override
    def sends(self, place: Scene, events: int) -> Command:
        return [sys.executable, "-m", "tests.benchmarks.peers.sdks", "ours", place.upstream.url, str(events)]

    @override
    def delivers(self, place: Scene) -> Sequence[Command]:
        return [WORKER]
