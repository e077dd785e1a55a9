"""What all faults have in common."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.world import World


class Fault(Protocol):
    """One thing that goes wrong, with all its choices made."""

    def begin(self, world: World) -> str | None:
        """Let it go wrong; answers in a few words what was hit. None: there is nothing to hit yet, ask again."""

    def end(self, world: World) -> None:
        """Let it be well again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    Attributes:
        name: for the table.
        draw: makes a fault; all its choices come from the dice.
        lasts_s: least and most seconds from its begin to its end.
        holds: what no two faults may hit at the same time.
        patience_s: how long it waits for something to hit, a horse for one, before it is given up.
    """

    name: str
    draw: Callable[[random.Random], Fault]
    lasts_s: tuple[float, float] = (0.0, 0.0)
    holds: str = ""
    patience_s: float = 3.0

    @property
    def held(self) -> str:
        """What it holds; at least itself, so that it never meets another of its kind."""
        return self.holds or self.name
