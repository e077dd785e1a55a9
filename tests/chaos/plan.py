"""What goes wrong, and when: an endless sequence that follows from the dice alone (pure)."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.faults.kind import Fault, Kind


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault, when it begins (seconds from the start) and how long it lasts."""

    at_s: float
    lasts_s: float
    kind: Kind
    fault: Fault


def plan(dice: random.Random, kinds: Sequence[Kind], every_s: float) -> Iterator[Planned]:
    """Faults of all kinds in turns, each turn in an order of its own.

    Faults overlap, but not those that hit the same thing.

    Args:
        dice: all choices are theirs, so that a seed gives the same sequence again.
        kinds: to choose from.
        every_s: seconds from one fault to the next, on average.
    """
    turn: list[Kind] = []
    free_at_s: defaultdict[str, float] = defaultdict(float)
    at_s = 0.0
    while True:
        at_s += dice.uniform(0.5, 1.5) * every_s
        turn = turn or dice.sample(kinds, len(kinds))
        kind = next((kind for kind in turn if free_at_s[kind.held] <= at_s), None)
        if kind:
            turn.remove(kind)
            lasts_s = dice.uniform(*kind.lasts_s)
            free_at_s[kind.held] = at_s + lasts_s + kind.patience_s
            yield Planned(at_s, lasts_s, kind, kind.draw(dice))
