"""Single entries by the hundred: what must be done for each of them is done for all at once (pure).

Producers that write one event per entry make the drain pay per event what others pay per array. So such entries are
read and kept as columns, and only a batch that gets into trouble is taken apart into `Load`s.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final

from forwarder.feedback import Codec, join
from forwarder.queue.columns import Columns
from forwarder.queue.stream import Entry, Raw
from workers.batch import Capacity, Load

FEWEST: Final = 8
"""Fewer are not worth another way of reading."""
PLAIN: Final = (b"body",)
APPENDED: Final = ((b"body", b"events", b"at"), (b"body", b"events", b"at", b"source"))
"""The fields of an entry that was never tried before: of a plain XADD, and of a producer's append."""


class Singles:
    """Entries in a row with one valid event each, which were never tried before.

    Args:
        columns: as they were read; `are_singles`.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.members = join(columns.values[0])
        self.ids = columns.ids
        self.attempts = 0

    @property
    def counted(self) -> int:
        """The events that the append of each has counted."""
        return int(self._columns.names != PLAIN)

    @cached_property
    def loads(self) -> Sequence[Load]:
        """The same, entry by entry."""
        return [Load(entry, join([entry.body])) for entry in self._columns.entries()]

    @property
    def at_ms(self) -> int:
        """When the first was accepted (ms since 1970)."""
        return self._first.at_ms

    @property
    def queued_ms(self) -> int:
        """When the first came onto the queue (ms since 1970)."""
        return self._first.queued_ms

    @property
    def _first(self) -> Entry:
        return self._columns.cut(1)[0].entries()[0]


def may_follow(raws: Sequence[Raw]) -> bool:
    """Whether single entries seem to come by the hundred, so that the next are better read by columns."""
    return len(raws) >= FEWEST and raws[-1][1][1][:1] == b"{"


def are_singles(columns: Columns, codec: Codec, capacity: Capacity) -> bool:
    """Whether each of them is one valid event, fits into a batch, and was never tried before."""
    names, bodies = columns.names, columns.values[0]
    plain = names == PLAIN or (names in APPENDED and set(columns.values[1]) == {b"1"})
    return plain and capacity.holds(1, len(max(bodies, key=len))) and codec.are_events(bodies)


def fitting(bodies: Sequence[bytes], events: int, member_bytes: int) -> int:
    """How many from the first on fit into so many events and bytes, commas included."""
    ends = list(accumulate([len(body) + 1 for body in bodies[: max(0, events)]]))
    return bisect_right(ends, member_bytes + 1)  # the last has no comma
