"""Single entries by the hundred: what must be done for each of them is done for all at once (pure).

Producers that write one event per entry make the drain pay per event what others pay per array. So a run of such
entries is kept as columns: one list of ids, one of bodies. Only a batch that gets into trouble is taken apart into
`Load`s.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Final

from forwarder.feedback import Codec, join
from forwarder.queue.stream import Raw, entry_of
from workers.batch import Capacity, Load

FEWEST: Final = 8
"""A shorter run is not worth it."""
PLAIN_LENGTHS: Final = (2, 6, 8)
"""Of the fields of a plain entry: body; body, events, at; body, events, at, source."""


class Singles:
    """Entries in a row with one valid event each, which were never tried before.

    Args:
        raws: as they were read; each is plain.
    """

    def __init__(self, raws: Sequence[Raw]) -> None:
        self._raws = raws
        self.members = join([fields[1] for _, fields in raws])
        self.ids = [entry_id for entry_id, _ in raws]
        self.attempts = 0

    @cached_property
    def loads(self) -> Sequence[Load]:
        """The same, entry by entry."""
        return [Load(entry_of(raw), join([raw[1][1]])) for raw in self._raws]

    @property
    def at_ms(self) -> int:
        """When the first was accepted (ms since 1970)."""
        return entry_of(self._raws[0]).at_ms

    @property
    def queued_ms(self) -> int:
        """When the first came onto the queue (ms since 1970)."""
        return entry_of(self._raws[0]).queued_ms

    @property
    def claimed(self) -> list[int]:
        """For each, the events that its append has counted."""
        return [int(len(fields) > PLAIN_LENGTHS[0]) for _, fields in self._raws]


def runs(raws: Iterable[Raw], codec: Codec, capacity: Capacity) -> Iterator[tuple[bool, list[Raw]]]:
    """What was read, in order and in runs; with each whether it can be made `Singles`.

    Args:
        raws: as they were read.
        codec: says what a valid event is.
        capacity: of a batch.
    """
    for plain, group in groupby(raws, key=_is_plain):
        run = list(group)
        bodies = [fields[1] for _, fields in run] if plain and len(run) >= FEWEST else []
        yield bool(bodies) and capacity.holds(1, max(map(len, bodies))) and codec.are_events(bodies), run


def fitting(raws: Sequence[Raw], events: int, member_bytes: int) -> int:
    """How many from the first on fit into so many events and bytes, commas included."""
    room = member_bytes + 1  # the last has no comma
    for place, (_, fields) in enumerate(raws[: max(0, events)]):
        room -= len(fields[1]) + 1
        if room < 0:
            return place
    return min(len(raws), max(0, events))


def _is_plain(raw: Raw) -> bool:
    """Whether it has the fields that a producer's append writes, in that order, and seems to hold one event."""
    fields = raw[1]
    if len(fields) not in PLAIN_LENGTHS or fields[0] != b"body":
        return False
    body = fields[1]
    if not (body.startswith(b"{") and body.endswith(b"}")):
        return False
    return len(fields) == PLAIN_LENGTHS[0] or (
        fields[2:5:2] == [b"events", b"at"] and fields[3] == b"1" and fields[6:7] in ([], [b"source"])
    )
