"""Everything that a fault can hit, and the promises that are watched meanwhile."""

import time
from signal import SIGKILL

from tests.chaos.fleet import Fleet
from tests.chaos.processes import Process, marked
from tests.chaos.producers import Producers
from tests.chaos.upstream import Upstream
from tests.support.cluster import Cluster
from tests.support.rig import Rig

ENDS_WITHIN_S = 15.0
"""A process that has to end by itself: a beat, the grace, a request and a few calls to Redis, on a busy machine."""


class World:
    """A rig with everything running.

    Attributes:
        rig: the queue's server and the sandbox's process.
        cluster: holds the queue in place of that server, which then has RQ alone; None when there is none.
        fleet: the workers.
        producers: who fills the queue.
        upstream: what the sandbox is told to do.
        broken: promises that were seen broken, one line each.
    """

    def __init__(
        self, rig: Rig, fleet: Fleet, producers: Producers, upstream: Upstream, cluster: Cluster | None = None
    ) -> None:
        self.rig = rig
        self.cluster = cluster
        self.fleet = fleet
        self.producers = producers
        self.upstream = upstream
        self.broken: list[str] = []
        self._must_end: dict[Process, tuple[float, str]] = {}

    def must_end(self, process: Process, why: str) -> None:
        """Watch that a process ends by itself."""
        self._must_end[process] = (time.monotonic() + ENDS_WITHIN_S, why)

    @property
    def is_whole(self) -> bool:
        """Whether workers run, and all that had to end has ended."""
        return bool(self.fleet.workers) and not self._must_end

    def look(self) -> None:
        """Look after what runs; called many times a second."""
        if trouble := self.fleet.keep_running():
            self.broken.append(trouble)
        for process, (deadline, why) in list(self._must_end.items()):
            if not process.alive:
                del self._must_end[process]
            elif time.monotonic() > deadline:
                del self._must_end[process]
                self.broken.append(f"process {process} still ran {ENDS_WITHIN_S:g} s after {why}")

    def end(self) -> None:
        """Kill what still runs, however the run ended."""
        self.producers.kill()
        self.fleet.dismiss(SIGKILL)
        for process in marked("FORWARDER_DATA_DIR", self.rig.variables["FORWARDER_DATA_DIR"]):
            process.send(SIGKILL)
