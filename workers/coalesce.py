"""Coalesce entries into batches (pure).

A batch is a whole number of entries. It is closed by events, by bytes (the real serialised size, brackets and commas
included) or by linger time, whichever comes first.
"""

from collections.abc import Iterable

from forwarder.feedback import Members, join
from workers.batch import BRACKETS, COMMA, Batch, Capacity, Part


class Coalescer:
    """Collects loads until a batch is full or has lingered long enough.

    Args:
        capacity: of a batch; may change, also to less than what is open or than one load holds.
        linger_ms: how long the first load of a batch waits for others.
    """

    def __init__(self, capacity: Capacity, linger_ms: float) -> None:
        self.capacity = capacity
        self._linger_ms = linger_ms
        self._parts: list[Part] = []
        self._events = 0
        self._bytes = 0
        self._opened_ms = 0.0
        self._attempts = 0

    def add(self, load: Part, now_ms: float) -> list[Batch]:
        """Take a load, or several that fit into a batch; answers the batches that it closes, none to two.

        One too large by itself is a batch alone. What was tried as often goes together, so that nobody inherits the
        attempts of another.
        """
        closed = []
        events = self._events + load.members.count
        size = self._bytes + COMMA + len(load.members.joined)
        if self._parts and (load.attempts != self._attempts or not self.capacity.holds(events, size)):
            closed.append(self._close())
        if not self._parts:
            self._opened_ms, self._attempts = now_ms, load.attempts
        self._bytes += len(load.members.joined) + (COMMA if self._parts else 0)
        self._events += load.members.count
        self._parts.append(load)
        if self._events >= self.capacity.max_events:
            closed.append(self._close())
        return closed

    @property
    def free(self) -> tuple[int, int]:
        """Events, and bytes of them with their commas, that the open batch can take yet; all, when there is none."""
        events, size = self.capacity.max_events, self.capacity.max_bytes - BRACKETS
        return (events - self._events, size - self._bytes - COMMA) if self._parts else (events, size)

    def shut(self) -> list[Batch]:
        """The open batch, closed, if there is one."""
        return [self._close()] if self._parts else []

    def due(self, now_ms: float) -> Batch | None:
        """The open batch, closed, when it has lingered long enough."""
        return self._close() if self.wait_ms(now_ms) <= 0 else None

    @property
    def waits(self) -> bool:
        """Whether a batch is open."""
        return bool(self._parts)

    def wait_ms(self, now_ms: float) -> float:
        """How long until the open batch is due; endless when there is none."""
        return self._opened_ms + self._linger_ms - now_ms if self._parts else float("inf")

    def _close(self) -> Batch:
        batch = Batch(self._parts)
        self._parts, self._events, self._bytes = [], 0, 0
        return batch


def pack(events: Iterable[bytes], capacity: Capacity) -> list[Members]:
    """Valid events, each of which fits by itself, packed in order into as few pieces as the capacity allows."""
    pieces: list[Members] = []
    open_events: list[bytes] = []
    size = 0
    for event in events:
        if open_events and not capacity.holds(len(open_events) + 1, size + COMMA + len(event)):
            pieces.append(join(open_events))
            open_events, size = [], 0
        size += len(event) + (COMMA if open_events else 0)
        open_events.append(event)
    if open_events:
        pieces.append(join(open_events))
    return pieces
