"""Durations and moments as people type them and as they are shown (pure)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from forwarder.errors import UsageError

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_LONGEST_S: Final = 100 * 366 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration_s(text: str) -> float:
    """Seconds of `90s`, `30m`, `2h`, `7d`, `1h30m`.

    Raises:
        UsageError: it is not written so, or is nought or longer than a century.
    """
    cleaned = text.strip().lower()
    if not _DURATION.fullmatch(cleaned):
        raise UsageError(f"{text!r} is not a duration: write it like 90s, 30m, 2h, 7d or 1h30m")
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(cleaned))
    if not 0 < seconds <= _LONGEST_S:
        raise UsageError(f"{text!r} is not a usable duration: it must be more than nought and less than a century")
    return seconds


def parse_moment_ms(text: str, now_ms: int) -> int:
    """Milliseconds since 1970 of `2h` (so long ago) or of an ISO date or time (UTC unless it names its zone).

    Raises:
        UsageError: it is neither.
    """
    if _DURATION.fullmatch(text.strip().lower()):
        return max(0, now_ms - round(parse_duration_s(text) * 1000))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: write how long ago (30m, 2h, 7d) or an ISO time (2026-01-31T08:00:00Z)"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, (moment - _EPOCH) // timedelta(milliseconds=1))


def iso_moment(at_ms: int) -> str:
    """The same moment for programs, to the millisecond: `2026-01-31T08:00:00.000Z`."""
    return f"{(_EPOCH + timedelta(milliseconds=at_ms)).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def shown_moment(at_ms: int) -> str:
    """`2026-01-31 08:00:00Z`; a dash for a time that is unknown."""
    try:
        return f"{_EPOCH + timedelta(milliseconds=at_ms):%Y-%m-%d %H:%M:%SZ}" if at_ms else "-"
    except OverflowError:
        return "-"


def shown_duration(seconds: float) -> str:
    """The two largest units: `3d4h`, `5m10s`, `0.4s`."""
    if seconds < 10:  # noqa: PLR2004 - a digit more where it matters
        return f"{seconds:.1f}s"
    rest = int(seconds)
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        amount, rest = divmod(rest, _SECONDS[unit])
        if amount or parts:
            parts.append(f"{amount}{unit}" if amount else "")
    return "".join(parts[:2])
