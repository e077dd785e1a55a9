"""When the events of one entry were first accepted: one time for all, or each its own (pure).

On the wire that is `at`, the oldest time, and optionally `ats`: for each event, in order, how many milliseconds later
it was. Who does not know `ats` takes every event for as old as the oldest.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_LATER: Final = re.compile(rb"\d{1,15}(?:,\d{1,15})*")


class Accepted(Struct, frozen=True, gc=False):
    """First times of events.

    Attributes:
        at_ms: the oldest (ms since 1970).
        later_ms: by how much each event is younger; empty when none is.
    """

    at_ms: int
    later_ms: tuple[int, ...] = ()

    def of(self, place: int) -> int:
        """The time of one event, by its place in the entry, from 0."""
        return self.at_ms + (self.later_ms[place] if place < len(self.later_ms) else 0)

    def part(self, places: Sequence[int]) -> "Accepted":
        """The times of some of the events."""
        return accepted([self.of(place) for place in places]) if self.later_ms else self

    @property
    def ats(self) -> bytes:
        """The field `ats`; empty when it is not needed."""
        return ",".join(map(str, self.later_ms)).encode()


def accepted(times_ms: Sequence[int]) -> Accepted:
    """The times of events in order; of one at least."""
    oldest = min(times_ms)
    return Accepted(oldest, tuple([time - oldest for time in times_ms]) if max(times_ms) != oldest else ())


def read_accepted(at_ms: int, ats: bytes | None) -> Accepted:
    """From the fields of an entry, which anybody may have written: what is no `ats` counts for nothing."""
    if not ats or not _LATER.fullmatch(ats):
        return Accepted(at_ms)
    return Accepted(at_ms, tuple(map(int, ats.split(b","))))
