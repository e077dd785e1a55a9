"""Clients that batch and post by themselves: PostHog's and Segment's, at their own batch size of 100.

A process calls them as fast as it can, and then waits for their end; their queue is made large enough to lose nothing
(at its default of 10,000 nine of ten events of such a burst are lost). They keep events in memory alone.

`python -m tests.benchmarks.peers.sdks NAME URL EVENTS` is that process, for our client too.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from typing_extensions import override

from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.running import Command
from tests.benchmarks.scene import Scene
from tests.benchmarks.senders import CLIENTS


class Sdk(Peer):
    """One of them.

    Args:
        client: its name in `senders.CLIENTS`.
        many: events.
    """

    few = 500

    def __init__(self, client: str, many: int) -> None:
        self.name = CLIENTS[client][0]
        self.many = many
        self._client = client

    @property
    @override
    def missing(self) -> str:
        return "" if find_spec(self._client) else "pip install 'feedback-forwarder[bench]'"

    @override
    def sends(self, place: Scene, events: int) -> Command:
        return [sys.executable, "-m", "tests.benchmarks.peers.sdks", self._client, place.upstream.url, str(events)]

    @override
    def delivers(self, place: Scene) -> Sequence[Command]:
        return []


if __name__ == "__main__":
    send, finish = CLIENTS[sys.argv[1]][2](sys.argv[2])
    for number in range(int(sys.argv[3])):
        send(number)
    finish()
