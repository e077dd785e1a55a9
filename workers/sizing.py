"""What fits into one request: learned from 413s, remembered for the whole fleet, grown back slowly (pure).

An answer of 413 does not say whether the events or the bytes were too many, so both bounds come down, and each grows
again as soon as it is what keeps requests small: by a tenth at first, since the true bound is likely near, and while
that holds by as much again, every ten seconds. So an upstream that refused everything for a moment is sent 500 events
at once again after two minutes, and not one by one for an hour.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from forwarder.queue.flow import Size

GROW_EVERY_MS: Final = 60_000
GROWTH: Final = 1.1
GROW_ON_MS: Final = 10_000
GROWTH_ON: Final = 2
"""When the growth before held."""
NEARLY: Final = 0.9
"""A bound keeps requests small when something was accepted that comes so near to it."""


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
    growth, rest_ms = (GROWTH_ON, GROW_ON_MS) if _holds_on(size) else (GROWTH, GROW_EVERY_MS)
    if (size.events or size.bytes) and now_ms - size.changed_ms >= rest_ms:
        return _grown(size, growth, now_ms)
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


def _holds_on(size: Size) -> bool:
    """Whether a bound has grown, and something was accepted that would not have fitted before."""
    return 0 < size.good_events < size.fitted_events or 0 < size.good_bytes < size.fitted_bytes


def _grown(size: Size, growth: float, now_ms: int) -> Size:
    event_bytes = size.fitted_bytes // max(1, size.fitted_events)
    events = _larger(size.events, size.fitted_events, 1, growth)
    body_bytes = _larger(size.bytes, size.fitted_bytes, event_bytes, growth)
    return Size(events, body_bytes, size.events, size.bytes, changed_ms=now_ms)


def _larger(bound: int, fitted: int, one_more: int, growth: float) -> int:
    """A bound that keeps requests small: they come near to it, or another event would not have fitted."""
    if fitted < NEARLY * bound and fitted + one_more <= bound:
        return bound
    return max(bound + 1, int(bound * growth))
