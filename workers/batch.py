"""A batch: whole entries in one request body, and its pieces when it must be cut (pure).

Bytes are joined, never re-encoded.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby, pairwise
from typing import Protocol

from forwarder.feedback import Members, split
from forwarder.queue.entry_ids import place
from forwarder.queue.flow import Size
from forwarder.queue.stream import Entry

BRACKETS = 2
COMMA = 1


class Part(Protocol):
    """Of a batch: one entry that can travel, or several."""

    @property
    def members(self) -> Members:
        """Its events."""

    @property
    def attempts(self) -> int:
        """Tries to send it before it was put back."""

    @property
    def ids(self) -> Sequence[bytes]:
        """Of its entries."""

    @property
    def loads(self) -> "Sequence[Load]":
        """Its entries."""

    @property
    def at_ms(self) -> int:
        """When the first was accepted (ms since 1970)."""

    @property
    def queued_ms(self) -> int:
        """When the first came onto the queue (ms since 1970)."""


@dataclass(frozen=True)
class Load:
    """An entry that can travel: its events are valid and fit into a batch."""

    entry: Entry
    members: Members

    @property
    def attempts(self) -> int:
        """Tries to send it before it was put back."""
        return self.entry.attempts if b"attempts" in self.entry.fields else 0

    @property
    def ids(self) -> list[bytes]:
        """Its id."""
        return [self.entry.id]

    @property
    def loads(self) -> "list[Load]":
        """Itself."""
        return [self]

    @property
    def at_ms(self) -> int:
        """When it was accepted (ms since 1970)."""
        return self.entry.at_ms

    @property
    def queued_ms(self) -> int:
        """When it came onto the queue (ms since 1970)."""
        return self.entry.queued_ms


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one request body may hold."""

    max_events: int
    max_bytes: int

    def within(self, size: Size) -> "Capacity":
        """The same, but no more than fits by what refusals have taught."""
        return Capacity(
            min(self.max_events, size.events or self.max_events), min(self.max_bytes, size.bytes or self.max_bytes)
        )

    def holds(self, events: int, member_bytes: int) -> bool:
        """Whether a body of that many events, with that many bytes between its brackets, is allowed."""
        return events <= self.max_events and member_bytes + BRACKETS <= self.max_bytes


class Batch:
    """Whole entries, coalesced into one request body.

    Attributes:
        parts: its entries, by ones or by several.
        count: its events.
        attempts: to send it, before it came to this drain.
        id: stable over retries, because it is made of the ids of its entries.
    """

    def __init__(self, parts: Sequence[Part], attempts: int = 0) -> None:
        self.parts = tuple(parts)
        self.count = sum([part.members.count for part in parts])
        self.attempts = max(attempts, *[part.attempts for part in parts])
        self.entry_ids = [entry_id for part in parts for entry_id in part.ids]
        digest = hashlib.sha256(b",".join(self.entry_ids))
        self.id = digest.hexdigest()[:16]

    @cached_property
    def oldest(self) -> bytes:
        """The id of its oldest entry, which a claim takes first; it may stand behind others that were read before."""
        firsts = [part.ids[0] for part in self.parts]  # within a part they ascend
        return min(firsts, key=lambda entry_id: place(entry_id.decode())) if len(firsts) > 1 else firsts[0]

    @cached_property
    def loads(self) -> list[Load]:
        """Its entries; only a batch in trouble is looked at so closely."""
        return [load for part in self.parts for load in part.loads]

    @property
    def at_ms(self) -> int:
        """When the first of its entries was accepted (ms since 1970)."""
        return self.parts[0].at_ms

    @property
    def queued_ms(self) -> int:
        """When the first of its entries came onto the queue (ms since 1970)."""
        return min(part.queued_ms for part in self.parts)

    @cached_property
    def body(self) -> bytes:
        """The request body."""
        return b"[" + b",".join([part.members.joined for part in self.parts]) + b"]"

    @cached_property
    def events(self) -> list[bytes]:
        """The single events; only a batch that must be cut is taken apart."""
        return [event for load in self.loads for event in split(load.members.joined)]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(load.members.count for load in self.loads))

    def load_of(self, event_index: int) -> int:
        """The index of the load that an event belongs to."""
        return bisect_right(self._ends, event_index)

    def by_load(self, piece: "Piece") -> Iterator[tuple[int, list[int], list[bytes]]]:
        """The events of a piece, load by load: the load's index, the places in its entry from 0, and the events."""
        for index, indices in groupby(piece.indices, key=self.load_of):
            here, before = list(indices), self._ends[index] - self.loads[index].members.count
            yield index, [event - before for event in here], [self.events[event] for event in here]

    def whole(self) -> "Piece":
        """All of it, as one piece."""
        return Piece(self, range(self.count))

    def pieces(self, capacity: Capacity) -> list["Piece"]:
        """All of it, in as few pieces as the capacity allows; an event that does not even fit alone stands alone."""
        if capacity.holds(self.count, len(self.body) - BRACKETS):
            return [self.whole()]
        cuts, size = [0], 0
        for index, event in enumerate(self.events):
            opened = index > cuts[-1]
            if opened and not capacity.holds(index - cuts[-1] + 1, size + COMMA + len(event)):
                cuts.append(index)
                opened, size = False, 0
            size += len(event) + (COMMA if opened else 0)
        return [Piece(self, range(start, stop)) for start, stop in pairwise([*cuts, self.count])]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a batch's events, sent in one request: a run of them, or what is left of one when others stand alone.

    Attributes:
        batch: the batch.
        indices: its events' places in the batch, ascending.
    """

    batch: Batch
    indices: Sequence[int]

    @property
    def count(self) -> int:
        """Its events."""
        return len(self.indices)

    @property
    def body(self) -> bytes:
        """The request body."""
        if self.count == self.batch.count:
            return self.batch.body
        events = self.batch.events
        return b"[" + b",".join([events[index] for index in self.indices]) + b"]"

    @property
    def key(self) -> str:
        """The Idempotency-Key: the same for each try of the same events."""
        if self.count == self.batch.count:
            return self.batch.id
        first, last = self.indices[0], self.indices[-1]
        if last - first == self.count - 1:
            return f"{self.batch.id}-{first}-{last}"
        digest = hashlib.sha256(repr(tuple(self.indices)).encode()).hexdigest()
        return f"{self.batch.id}-{digest[:16]}"

    def halves(self) -> tuple["Piece", "Piece"]:
        """Cut in two; needs two events at least."""
        middle = self.count // 2
        return Piece(self.batch, self.indices[:middle]), Piece(self.batch, self.indices[middle:])

    def apart(self, place: int) -> tuple["Piece", "Piece"]:
        """One event by itself, and all others; needs two events at least.

        Args:
            place: of that event in this piece, from 0.
        """
        others = (*self.indices[:place], *self.indices[place + 1 :])
        return Piece(self.batch, self.indices[place : place + 1]), Piece(self.batch, others)
