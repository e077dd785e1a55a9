"""Until when Redis is left alone: as a whole while it is away, or for a destination that it refuses (pure)."""

from typing import Final

BASE_S: Final = 0.1
CAP_S: Final = 5.0
"""A producer that finds Redis away looks again after 0.1 s, then twice as long each time, up to 5 s."""

LASTING: Final = 3
"""After so many failures in a row the end of a process does not wait for Redis to come back."""
AWAY: Final = "*"
"""Stands for all destinations; no destination can have this name."""


class Trouble:
    """Who is left alone, and how often it has failed in a row."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def struck(self, whom: str, now: float, dice: float) -> None:
        """It failed: leave it alone for longer than the last time.

        Args:
            whom: a destination, or AWAY.
            now: the time (s, any clock).
            dice: from 0 to 1, so that not all producers come back at once.
        """
        failures = self._failures.get(whom, 0)
        self._failures[whom] = failures + 1
        self._until[whom] = now + min(CAP_S, BASE_S * 2.0 ** min(failures, 30)) * (0.5 + dice / 2)

    def well(self, whom: str) -> bool:
        """It works; whether it did not before."""
        self._until.pop(whom, None)
        return bool(self._failures.pop(whom, 0))

    def hurry(self) -> None:
        """Leave nobody alone any longer: one more try is wanted now."""
        self._until.clear()

    def is_away(self, now: float) -> bool:
        """Whether Redis as a whole is left alone."""
        return self._until.get(AWAY, 0) > now

    @property
    def lasts(self) -> bool:
        """Whether Redis has been away for more than a moment: it failed three times in a row, over half a second."""
        return self._failures.get(AWAY, 0) >= LASTING

    def away_until(self) -> float:
        """Until when it is."""
        return self._until.get(AWAY, 0)

    def refusing(self, now: float) -> set[str]:
        """Destinations that are left alone."""
        return {whom for whom, until in self._until.items() if until > now and whom != AWAY}
