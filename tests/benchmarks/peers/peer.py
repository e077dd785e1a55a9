"""One way to bring events to the sink, ours or another's, and what a run of it costs.

A run is made twice, with few events and with many: the difference is what events cost, without the start and the end of
the processes. CPU is user and system of all processes that deliver, and of Redis where events wait in it; not of those
that only put them there beforehand, nor of the sink. Events per second are counted at the sink, from the first request
to the last. A run ends when all events have arrived, or after LONGEST_S: then those that have are what counts.
"""

import resource
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.running import Command
from tests.benchmarks.scene import Scene, scene

LONGEST_S: Final = 20.0
"""From the start of the processes."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of some events.

    Attributes:
        asked: how many there were.
        events: how many arrived.
        cpu_s: of all processes, Redis not included.
        redis_cpu_s: of Redis.
        per_s: events per second at the sink.
    """

    asked: int
    events: int
    cpu_s: float
    redis_cpu_s: float
    per_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a million events, in CPU seconds; and the rate.

    Attributes:
        events: of the larger run.
        lost: of them did not arrive.
        cpu: all that takes part.
        redis: of it, Redis.
        per_s: events per second.
    """

    events: int
    lost: int
    cpu: float
    redis: float
    per_s: float


def cost(few: Run, many: Run) -> Cost:
    """The difference of two runs."""
    events = (many.events - few.events) / 1e6
    redis = (many.redis_cpu_s - few.redis_cpu_s) / events
    cpu = (many.cpu_s - few.cpu_s) / events
    return Cost(many.asked, many.asked - many.events, cpu + redis, redis, many.per_s)


class Peer(ABC):
    """Who delivers.

    Attributes:
        name: in the table.
        few: events of the run that measures the start; a whole batch where there are batches.
        many: events of the other run, so that it takes some seconds.
        ours: whether it is what the others are held against.
    """

    ours = False
    name: str
    few: int
    many: int

    @property
    def missing(self) -> str:
        """Why it cannot run here; empty when it can."""
        return ""

    def prepare(self, place: Scene, events: int) -> None:  # noqa: B027 - some have nothing to prepare
        """Put the events where they wait."""

    @abstractmethod
    def delivers(self, place: Scene) -> Sequence[Command]:
        """Processes that deliver until they are told to end."""

    def sends(self, place: Scene, events: int) -> Command | None:  # noqa: ARG002 - for those who override it
        """A process that makes the events, and ends; None when they wait already."""
        return None

    def measured(self) -> Cost:
        """What its events cost.

        Raises:
            RuntimeError: too few of them arrived to say.
        """
        few, many = self.run(self.few), self.run(self.many)
        if many.events <= few.events or not many.per_s:
            raise RuntimeError(f"of {many.asked:,} events {many.events:,} arrived within {LONGEST_S:g} s")
        return cost(few, many)

    def run(self, events: int) -> Run:
        """One run.

        Raises:
            RuntimeError: nothing arrived.
        """
        with scene() as place:
            self.prepare(place, events)
            redis_s, cpu_s = place.redis_cpu_s(), _children_s()
            command = self.sends(place, events)
            sender = place.start(command) if command else None
            for command in self.delivers(place):
                place.start(command)
            _wait(sender)
            arrived = place.upstream.arrived(events, LONGEST_S)
            place.stop()
            if not arrived.events:
                raise RuntimeError(f"nothing arrived; it says: {place.said[-500:]}")
            cpu_s, redis_s = _children_s() - cpu_s, place.redis_cpu_s() - redis_s
        return Run(events, arrived.events, cpu_s, redis_s, arrived.per_s)


def _children_s() -> float:
    """CPU of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait(sender: "subprocess.Popen[bytes] | None") -> None:
    if sender:
        try:
            sender.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            return  # what has arrived by now is what counts
