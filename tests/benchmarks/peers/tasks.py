"""Task queues on the same Valkey, one message or job per event: celery-batches and RQ (`celery_app`, `rq_job`)."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from typing_extensions import override

from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.running import Command
from tests.benchmarks.scene import Scene

HERE: Final = "tests.benchmarks.peers"
CELERY: Final = (
    *("celery", "-A", f"{HERE}.celery_app", "worker", "--loglevel", "warning", "--pool", "solo"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


class CeleryBatches(Peer):
    """See `celery_app`."""

    name = "celery-batches, flush_every=500"
    few = 500
    many = 5_000

    @property
    @override
    def missing(self) -> str:
        return "" if find_spec("celery_batches") else "make bench PEERS=1, or pip install 'feedback-forwarder[peers]'"

    @override
    def prepare(self, place: Scene, events: int) -> None:
        place.call([sys.executable, "-m", f"{HERE}.celery_app", str(events)])

    @override
    def delivers(self, place: Scene) -> Sequence[Command]:
        return [[sys.executable, "-m", *CELERY]]


class RqJobs(Peer):
    """See `rq_job`.

    Args:
        worker: RQ's class.
        many: events.
    """

    few = 1

    def __init__(self, worker: str, many: int) -> None:
        self.name = f"one RQ job per event, {worker}"
        self.many = many
        self._worker = worker

    @override
    def prepare(self, place: Scene, events: int) -> None:
        place.call([sys.executable, "-m", f"{HERE}.rq_job", "queue", str(events)])

    @override
    def delivers(self, place: Scene) -> Sequence[Command]:
        return [[sys.executable, "-m", f"{HERE}.rq_job", "work", self._worker]]
