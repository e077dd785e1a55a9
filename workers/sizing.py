"""What fits into one request: learned from 413s, remembered for the whole fleet, grown back slowly (pure).

An answer of 413 does not say whether the events or the bytes were too many, so both bounds come down, and each grows
again as soon as it is what keeps requests small.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from forwarder.queue.flow import Size

GROW_EVERY_MS: Final = 60_000
GROWTH: Final = 1.1
NEARLY: Final = 0.9
"""A bound is tight when something was accepted that comes so near to it."""


class Extent(Struct, frozen=True):
    """How large a request is."""

    events: int
    bytes: int


def learn(size: Size, refused: Extent | None, fitted: Extent | None, now_ms: int) -> Size:
    """The bounds after what a drain has seen.

    Args:
        size: as it was.
        refused: the smallest request of several events that was answered 413; None when there was none.
        fitted: the largest request that was accepted; None when there was none.
        now_ms: the server's time.
    """
    if fitted and (size.events or size.bytes):
        most_events, most_bytes = max(size.fitted_events, fitted.events), max(size.fitted_bytes, fitted.bytes)
        size = replace(size, fitted_events=most_events, fitted_bytes=most_bytes)
    if refused and holds(size, refused):
        return _shrunk(size, refused, now_ms)
    if (size.events or size.bytes) and now_ms - size.changed_ms >= GROW_EVERY_MS:
        return _grown(size, now_ms)
    return size


def holds(size: Size, extent: Extent) -> bool:
    """Whether a request respects the bounds; one that does not was sent before they were known."""
    return (not size.events or extent.events <= size.events) and (not size.bytes or extent.bytes <= size.bytes)


def _shrunk(size: Size, refused: Extent, now_ms: int) -> Size:
    events = _below(refused.events, size.good_events)
    body_bytes = _below(refused.bytes, size.good_bytes)
    return Size(events, body_bytes, events, body_bytes, changed_ms=now_ms)


def _below(refused: int, good: int) -> int:
    """Back to the bound that held before the last growth; when that is what was refused, half of it."""
    return good if 0 < good < refused else max(1, refused // 2)


def _grown(size: Size, now_ms: int) -> Size:
    events = _larger(size.events) if size.fitted_events >= NEARLY * size.events else size.events
    body_bytes = _larger(size.bytes) if size.fitted_bytes >= NEARLY * size.bytes else size.bytes
    return Size(events, body_bytes, size.events, size.bytes, changed_ms=now_ms)


def _larger(bound: int) -> int:
    return max(bound + 1, int(bound * GROWTH))
