"""Faults of the upstream: what the sandbox can be told to do, and its sudden death."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.faults.kind import Fault, Kind
from tests.chaos.journal import PLANTED_VALUE
from tests.chaos.upstream import KEY, OTHER_KEY
from tests.chaos.world import World

REFUSES_ANY = "chaos refuses at random"
"""What the upstream says when it refuses events that are as good as any."""
REFUSES_PLANTED = "was planted to be refused"
"""What it says when it refuses an array because of a planted event."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """The sandbox is told to be unwell in some way."""

    name: str
    fault: Settings

    def begin(self, world: World) -> str | None:
        """Tell it."""
        world.upstream.put(self.name, self.fault)
        return " ".join(f"{name}={value}" for name, value in self.fault.items() if name not in ("kind", "body"))

    def end(self, world: World) -> None:
        """Tell it to be well."""
        world.upstream.take(self.name)


class KeyRefused:
    """The API key is refused until somebody mends it."""

    def begin(self, world: World) -> str | None:
        """Accept another."""
        world.upstream.accept(OTHER_KEY)
        return "another key is accepted"

    def end(self, world: World) -> None:
        """Accept ours."""
        world.upstream.accept(KEY)


class Killed:
    """The sandbox's process is killed; what it acknowledged is in its file."""

    def begin(self, world: World) -> str | None:
        """Kill it."""
        world.upstream.kill()
        return "the sandbox"

    def end(self, world: World) -> None:
        """Start it again."""
        world.upstream.restart()


def _told(
    name: str, draw: Callable[[random.Random], Settings], lasts_s: tuple[float, float] = (1, 5), share: float = 0.3
) -> Kind:
    """A kind of fault for a share of the requests, at least `share`."""

    def fault(dice: random.Random) -> Fault:
        return Told(name, draw(dice) | {"share": round(dice.uniform(share, 1), 2)})

    return Kind(name, fault, lasts_s)


def _when(dice: random.Random) -> str:
    """Before or after the events were stored."""
    return dice.choice(["before", "after"])


def _status(status: int, **more: Any) -> Callable[[random.Random], Settings]:  # noqa: ANN401 - the sandbox's own
    return lambda _: {"kind": "status", "status": status} | more


def _asked_to_wait(status: int) -> Callable[[random.Random], Settings]:
    return lambda dice: {"kind": "status", "status": status, "retry_after": dice.choice([1, 2])}


_REFUSED: Settings = {"kind": "status", "status": 400, "body": {"error": {"message": REFUSES_ANY}}}
_PLANTED: Settings = {"kind": "refuse", "field": "value", "equals": PLANTED_VALUE, "message": REFUSES_PLANTED}

KINDS = (
    _told("upstream-500", lambda dice: {"kind": "status", "status": 500, "when": _when(dice)}),
    _told("upstream-503-retry-after", _asked_to_wait(503)),
    _told("upstream-429", _status(429)),
    _told("upstream-429-retry-after", _asked_to_wait(429)),
    _told("upstream-413", lambda dice: {"kind": "max_events", "limit": dice.randint(1, 25)}, (2, 6)),
    _told("upstream-hang", lambda dice: {"kind": "hang", "when": _when(dice)}, share=0.1),
    _told("upstream-reset-before", lambda _: {"kind": "reset", "when": "before"}),
    _told("upstream-reset-after", lambda _: {"kind": "reset", "when": "after"}),
    _told("upstream-garbage", lambda dice: {"kind": "garbage", "when": _when(dice)}),
    _told("upstream-failure", lambda _: {"kind": "failure", "message": REFUSES_ANY}, (0.5, 2), 0.1),
    _told("upstream-400", lambda _: _REFUSED, (0.5, 2), 0.1),
    _told("upstream-short-ids", lambda dice: {"kind": "short_ids", "missing": dice.randint(1, 5)}),
    _told("upstream-latency", lambda dice: {"kind": "latency", "ms": dice.randint(50, 1500), "jitter_ms": 500}),
    _told("upstream-capacity", lambda dice: {"kind": "capacity", "limit": dice.randint(1, 3)}, (2, 6), 1),
    _told("upstream-refuse", lambda dice: _PLANTED | {"name_index": dice.random() < 0.5}, (3, 8), 1),
    Kind("upstream-401", lambda _: KeyRefused(), (1, 4)),
    Kind("upstream-kill", lambda _: Killed(), (0, 2)),
)
