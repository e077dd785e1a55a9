"""Limits of requests in flight, and what is seen of them, as tests make them."""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.queue.flow import Limit, Window
from workers.concurrency import (
    PROBE_LAST_MS,
    decide,
)

NOW_MS = 1_000_000

MAXIMUM = 1_000

CALM = Limit(value=20, slow_start=False, proven=20, base_rtt_ms=50.0, rtt_ms=50.0)
"""Learned, in use, and nothing known that would be too much."""

RESTING = replace(CALM, value=10, rest_from=20, rtt_ms=100.0, settled=True)

COUNTS = st.integers(0, 2_000)

TIMES_MS = st.integers(0, 2 * NOW_MS)

RTTS_MS = st.floats(0, 100_000)

LIMITS = st.builds(
    Limit,
    value=st.integers(1, 2_000),
    slow_start=st.booleans(),
    proven=COUNTS,
    ceiling=COUNTS,
    probe_at_ms=TIMES_MS,
    probe_wait_ms=st.integers(0, PROBE_LAST_MS),
    base_rtt_ms=RTTS_MS,
    rtt_ms=RTTS_MS,
    rest_from=COUNTS,
    settled=st.booleans(),
    rest_at_ms=TIMES_MS,
    calm_answered=COUNTS,
    calm_pushed=COUNTS,
    decided_ms=TIMES_MS,
    epoch=COUNTS,
)

WINDOWS = st.builds(
    Window,
    answered=COUNTS,
    rtt_ms=st.floats(0, 1e9),
    rtt_ms2=st.floats(0, 1e15),
    pushed_back=st.integers(0, 50),
    peak=COUNTS,
    silent=st.integers(0, 3),
)


def seen(limit: Limit, rtt_ms: float = 50.0, **fields: Any) -> Window:  # noqa: ANN401 - any field
    """A window in which the limit was in use, and all round trips were alike."""
    answered = fields.pop("answered", 4 * limit.value)
    usual = {"answered": answered, "rtt_ms": answered * rtt_ms, "rtt_ms2": answered * rtt_ms**2, "peak": limit.value}
    return Window(**{**usual, **fields})


def after(limit: Limit, rtt_ms: float = 50.0, now_ms: int = NOW_MS, **fields: Any) -> Limit:  # noqa: ANN401 - any field
    """The next limit after such a window."""
    return decide(limit, seen(limit, rtt_ms, **fields), now_ms, MAXIMUM)


def untaught(limit: Limit) -> Limit:
    """Without what calm has taught."""
    return replace(limit, calm_answered=0, calm_pushed=0)


def pushed(limit: Limit, now_ms: int = NOW_MS) -> Limit:
    """The next limit after much back-pressure."""
    return after(limit, now_ms=now_ms, pushed_back=10)
