"""How long to wait before the next try: exponential with full jitter, and Retry-After as a floor (pure).

Full jitter as in M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): a wait drawn evenly from
nought to the exponential bound spreads the retries of many senders best.
"""

import math
from datetime import UTC
from email.utils import parsedate_to_datetime


def delay_s(attempt: int, base_ms: int, max_ms: int, chance: float, retry_after_s: float = 0.0) -> float:
    """Seconds until the next try.

    Args:
        attempt: tries so far that count; after none the bound is that after the first.
        base_ms: the bound after the first try; doubles with each.
        max_ms: the bound's bound.
        chance: a random number in [0, 1).
        retry_after_s: what the upstream asked for; the jitter is added, so that not everybody comes at that moment.
    """
    bound_ms = min(max_ms, base_ms * (1 << min(max(attempt - 1, 0), 32)))
    return retry_after_s + chance * bound_ms / 1000


def retry_after_s(header: str | None, now_s: float, longest_s: float) -> float:
    """The seconds that a Retry-After header asks for, given as seconds or as a date (RFC 9110, section 10.2.3).

    Args:
        header: its value; None when it did not come.
        now_s: seconds since 1970.
        longest_s: more is clamped to this; nonsense is nought.
    """
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_s
        except (ValueError, TypeError, OverflowError):
            return 0.0
    if math.isnan(seconds):
        return 0.0
    return min(max(seconds, 0.0), longest_s)
