"""From groups of records to what is appended: valid events in chunks, and what is refused, each with its place.

A whole group is validated by one decode. Only a group that this refuses is halved, and halved again, until the records
at fault stand alone. (Lines that are each broken but make valid events when joined by commas could pass; the count is
compared, so that takes several such in one group, and what passes is valid events in any case.)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from forwarder.feedback import Codec, Members, split
from forwarder.flaws import Flaw
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS
from forwarder.records.groups import Group


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record, or an event of it, that is no valid event.

    Attributes:
        position: the record's, counted from 1.
        flaw: what is wrong.
        verbatim: the bytes as they came.
    """

    position: int
    flaw: Flaw
    verbatim: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """What becomes one entry.

    Attributes:
        members: the valid events; None when there are none up to `last`.
        last: every record up to this position is in this chunk or an earlier one, or was refused.
        refused: what was refused on the way.
    """

    members: Members | None
    last: int
    refused: list[Refusal] = field(default_factory=list)


def chunks(groups: Iterable[Group], codec: Codec, skip: int = 0) -> Iterator[Chunk]:
    """Validate and cut.

    Args:
        groups: the records.
        codec: of the limits in force.
        skip: leave out the records up to this position.
    """
    for whole in groups:
        group = whole.behind(skip)
        if group is None:
            continue
        harvest = _Harvest(group, codec)
        harvest.look(0, len(group.records))
        yield from harvest.chunks()


class _Harvest:
    """What one group holds."""

    def __init__(self, group: Group, codec: Codec) -> None:
        self._group = group
        self._codec = codec
        self._found: list[tuple[int, Members]] = []
        self._refused = [self._refusal(index, flaw) for index, flaw in group.flaws.items()]

    def look(self, start: int, end: int) -> None:
        """Validate the records of this range: all at once, else each half."""
        if end - start < 2:  # noqa: PLR2004 - a single one cannot be halved
            self._look_at_one(start)
            return
        members = self._codec.members(b"[" + b",".join(self._group.records[start:end]) + b"]")
        if members is not None and members.count == end - start:
            self._found.append((self._group.first + end - 1, members))
            return
        middle = (start + end) // 2
        self.look(start, middle)
        self.look(middle, end)

    def _look_at_one(self, index: int) -> None:
        record = self._group.records[index]
        if not record.strip():
            return
        position = self._group.first + index
        members = self._codec.members(record)
        if members is not None:
            self._found.append((position, members))
            return
        sifted = self._codec.sift(record)
        self._found += [(position, Members(raw, 1)) for raw in sifted.good]
        self._refused += [self._refusal(index, flaw) for flaw in sifted.bad]

    def _refusal(self, index: int, flaw: Flaw) -> Refusal:
        verbatim = flaw.raw if self._group.verbatim is None else self._group.verbatim[index]
        return Refusal(self._group.first + index, flaw, verbatim)

    def chunks(self) -> Iterator[Chunk]:
        """The events found, cut to what one entry may hold, the last chunk with everything that was refused."""
        self._refused.sort(key=lambda refusal: refusal.position)
        parts: list[bytes] = []
        events = size = 0
        complete, current = self._group.first - 1, self._group.first - 1
        for position, members in _no_larger_than_a_chunk(self._found):
            if position != current:
                complete, current = current, position
            more = len(members.joined) + 1
            if parts and (events + members.count > CHUNK_MAX_EVENTS or size + more >= CHUNK_MAX_BYTES):
                yield Chunk(Members(b",".join(parts), events), complete)
                parts, events, size = [], 0, 0
            parts.append(members.joined)
            events, size = events + members.count, size + more
        yield Chunk(Members(b",".join(parts), events) if parts else None, self._group.last, self._refused)


def _no_larger_than_a_chunk(found: list[tuple[int, Members]]) -> Iterator[tuple[int, Members]]:
    for position, members in found:
        if members.count > CHUNK_MAX_EVENTS or len(members.joined) + 2 > CHUNK_MAX_BYTES:
            yield from ((position, Members(raw, 1)) for raw in split(members.joined))
        else:
            yield position, members
