"""The bounded buffer: events in, chunks out (pure). Its user sees to it that one thread at a time is inside."""

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from forwarder.feedback import Members, join
from forwarder.queue.chunk import Chunk
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, new_chunk_id

OBJECT_BYTES: Final = 48
"""What Python needs for an event besides its bytes: the object's head (33), its place in a list, rounding."""

PARENTS_MAX: Final = 32
"""Spans that one chunk names, of those in which its events were handed over."""


class Added(Enum):
    """What became of an event."""

    FULL = auto()
    """It was not taken: there is no room."""
    OPEN = auto()
    """It waits for others."""
    SEALED = auto()
    """It made a chunk full, or came after a full one: there is something to append."""


@dataclass(slots=True)
class _Open:
    """Events that will be one chunk.

    Attributes:
        at_ms: when the first came (ms since 1970).
        events: their bytes.
        size: of the joined bytes.
        traceparents: of those who handed them over, as far as they trace.
    """

    at_ms: int
    events: list[bytes] = field(default_factory=list)
    size: int = 0
    traceparents: tuple[str, ...] = ()


class Buffer:
    """Events by destination, cut into chunks as they come.

    Args:
        source: of the events; each chunk names it.
        max_events: the bound.
        max_bytes: likewise, with what Python needs for them.
        clock: tells ms since 1970.
        partitions: over how many the events of a destination are spread; 1 when it is not named.
    """

    def __init__(
        self,
        source: str,
        max_events: int,
        max_bytes: int,
        clock: Callable[[], int],
        partitions: Mapping[str, int] | None = None,
    ) -> None:
        self._source = source
        self._partitions = partitions or {}
        self._clock = clock
        self._room = self._max_events = max_events
        self._max_bytes = max_bytes
        self._open: dict[str, _Open] = {}
        self._sealed: deque[Chunk | tuple[str, _Open]] = deque()
        self.events = 0
        self.held_bytes = 0

    @property
    def fill(self) -> float:
        """How full it is, from 0 to 1."""
        return max(self.events / self._room, self.held_bytes / self._max_bytes)

    def close(self) -> None:
        """Take nothing more."""
        self._max_events = 0  # what is in it does not make it fuller

    @property
    def has_sealed(self) -> bool:
        """Whether there is a whole chunk."""
        return bool(self._sealed)

    def add(self, destination: str, event: bytes) -> Added:
        """Take one event."""
        size = len(event)
        held = self.held_bytes + size + OBJECT_BYTES
        if self.events >= self._max_events or (held > self._max_bytes and self.events):
            return Added.FULL
        self.events += 1
        self.held_bytes = held
        lane = self._open.get(destination)
        if lane is None:
            lane = self._open[destination] = _Open(self._clock())
        elif lane.size + size >= CHUNK_MAX_BYTES:
            self._sealed.append((destination, lane))
            self._open[destination] = _Open(self._clock(), [event], size + 1)
            return Added.SEALED
        lane.events.append(event)
        lane.size += size + 1  # the comma
        if len(lane.events) < CHUNK_MAX_EVENTS:
            return Added.OPEN
        self._sealed.append((destination, self._open.pop(destination)))
        return Added.SEALED

    def trace(self, destination: str, traceparent: str) -> None:
        """Who handed over the event that was added last; the chunk that it is in keeps the first few."""
        last = self._sealed[-1] if self._sealed else None
        lane = self._open.get(destination) or (last[1] if isinstance(last, tuple) else None)
        if lane is not None and len(lane.traceparents) < PARENTS_MAX and traceparent not in lane.traceparents:
            lane.traceparents += (traceparent,)

    def age_ms(self) -> float | None:
        """The age of the oldest events that are in no whole chunk; None when there are none.

        Where the clock was set back nobody knows it: then they are as old as can be.
        """
        now_ms = self._clock()
        ages = [now_ms - lane.at_ms for lane in self._open.values()]
        return max((math.inf if age < 0 else age for age in ages), default=None)

    def seal_due(self, linger_ms: int) -> None:
        """Make chunks of the open events whose first has waited for so long."""
        now_ms = self._clock()
        due = [name for name, lane in self._open.items() if not now_ms - linger_ms < lane.at_ms <= now_ms]
        for destination in due:
            self._sealed.append((destination, self._open.pop(destination)))

    def seal_all(self) -> None:
        """Make chunks of all open events."""
        self._sealed.extend(self._open.items())
        self._open.clear()

    def take(
        self, most_events: int, *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> list[Chunk]:
        """Whole chunks, the oldest first, until so many events are reached.

        Args:
            most_events: at least one chunk is taken all the same.
            only: destinations; all, when not given.
            without: destinations to leave.
        """
        taken: list[Chunk] = []
        left: list[Chunk | tuple[str, _Open]] = []
        events = 0
        while self._sealed and events < most_events:
            head = self._sealed.popleft()
            name = head.destination if isinstance(head, Chunk) else head[0]
            if name in without or (only is not None and name not in only):
                left.append(head)
                continue
            chunk = head if isinstance(head, Chunk) else self._chunk(*head)
            events += chunk.members.count
            taken.append(chunk)
        self._sealed.extendleft(reversed(left))
        for chunk in taken:
            self._account(chunk, -1)
        return taken

    def restore(self, chunks: list[Chunk]) -> None:
        """Put chunks back to the front, also beyond the bound: they were within it before."""
        self._sealed.extendleft(reversed(chunks))
        for chunk in chunks:
            self._account(chunk, 1)

    def drop_oldest(self) -> Chunk:
        """Give up the oldest events, to make room: one, or a whole chunk that may have been stored under its name."""
        if not self._sealed:
            self.seal_all()
        head = self._sealed[0]
        if isinstance(head, Chunk):
            self._sealed.popleft()
            self._account(head, -1)
            return head
        destination, lane = head
        event = lane.events.pop(0)
        lane.size -= len(event) + 1
        if not lane.events:
            self._sealed.popleft()
        dropped = Chunk(destination, "", join([event]), self._source, lane.at_ms)
        self._account(dropped, -1)
        return dropped

    def _chunk(self, destination: str, lane: _Open) -> Chunk:
        joined, chunk_id = join(lane.events), new_chunk_id(self._partitions.get(destination, 1))
        members = Members(joined.joined, joined.count, lane.traceparents) if lane.traceparents else joined
        return Chunk(destination, chunk_id, members, self._source, lane.at_ms)

    def _account(self, chunk: Chunk, sign: int) -> None:
        count = chunk.members.count
        self.events += sign * count
        self.held_bytes += sign * (len(chunk.members.joined) - (count - 1) + count * OBJECT_BYTES)
