"""Faults of worker processes, their horses, and the supervisor above them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from tests.chaos.faults.kind import Fault, Kind
from tests.chaos.fleet import Team
from tests.chaos.world import World
from tests.support.waiting import eventually

HELD = "workers"
STARTS_WITHIN_S = 20.0


@dataclass
class Signalled:
    """A worker that has a horse, or the horse, or both get a signal; those that are `doomed` must end by themselves."""

    pick: float
    hit: tuple[str, ...]
    first: Signals
    doomed: tuple[str, ...]
    last: Signals | None = None
    team: Team | None = None

    def begin(self, world: World) -> str | None:
        """Choose a team and signal it."""
        teams = world.fleet.teams
        if not teams:
            return None
        self.team = teams[int(self.pick * len(teams))]
        self._signal(self.first)
        for member in self.doomed:
            world.must_end(getattr(self.team, member), f"{self.first.name} to {' and '.join(self.hit)}")
        return " ".join(f"{member} {getattr(self.team, member)}" for member in self.hit)

    def end(self, _: World) -> None:
        """Signal it once more, when that belongs to it."""
        if self.last:
            self._signal(self.last)

    def _signal(self, signum: Signals) -> None:
        for member in self.hit:
            getattr(self.team, member).send(signum)


@dataclass
class Replaced:
    """The supervisor gets a signal, and a while later another one is started; its workers must end by themselves."""

    signum: Signals

    def begin(self, world: World) -> str | None:
        """Signal it."""
        supervisor, workers = world.fleet.supervisor, world.fleet.workers
        if not supervisor or not workers:
            return None
        for process in (supervisor, *workers, *(team.horse for team in world.fleet.teams)):
            world.must_end(process, f"{self.signum.name} to its supervisor")
        world.fleet.dismiss(self.signum)
        return f"supervisor {supervisor}, workers {' '.join(map(str, workers))}"

    def end(self, world: World) -> None:
        """Start another."""
        world.fleet.start()


class KilledYoung(Replaced):
    """The supervisor is killed, and so is the next one in the very moment in which it has started its workers."""

    def begin(self, world: World) -> str | None:
        """Kill both."""
        first = super().begin(world)
        if not first:
            return None
        world.fleet.start()
        eventually(lambda: world.fleet.workers or not world.fleet.supervisor, STARTS_WITHIN_S)
        second = super().begin(world)
        world.fleet.dismiss(self.signum)  # also one that has no workers, because the queue is away
        return f"{first}; then {second or 'another without workers'}"


def _signalled(hit: str, first: Signals, doomed: str, last: Signals | None = None) -> Callable[[random.Random], Fault]:
    return lambda dice: Signalled(dice.random(), tuple(hit.split()), first, tuple(doomed.split()), last)


KINDS = (
    Kind("horse-kill", _signalled("horse", SIGKILL, "horse"), holds=HELD),
    Kind("worker-kill", _signalled("worker", SIGKILL, "worker horse"), holds=HELD),
    Kind("worker-and-horse-kill", _signalled("worker horse", SIGKILL, "worker horse"), holds=HELD),
    Kind("horse-freeze", _signalled("horse", SIGSTOP, "", SIGCONT), (3, 6), HELD),  # the lease lasts 2 s
    Kind("worker-term", _signalled("worker", SIGTERM, "worker horse"), holds=HELD),
    Kind("worker-and-horse-term", _signalled("worker horse", SIGTERM, "worker horse"), holds=HELD),
    Kind("worker-term-twice", _signalled("worker", SIGTERM, "worker horse", SIGTERM), (1.2, 1.5), HELD),
    Kind("supervisor-term", lambda _: Replaced(SIGTERM), (1, 5), HELD),
    Kind("supervisor-kill", lambda _: Replaced(SIGKILL), (0.2, 2), HELD),
    Kind("supervisor-kill-young", lambda _: KilledYoung(SIGKILL), (0.2, 2), HELD),
)
