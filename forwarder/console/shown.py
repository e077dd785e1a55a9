"""Numbers and times as the console shows them (pure)."""

from forwarder.times import shown_duration

_THOUSAND = 1_000
_TEN = 10


def shown_count(value: float) -> str:
    """`12,345`; from a million on `1.23M`."""
    if abs(value) >= _THOUSAND**3:
        return f"{value / _THOUSAND**3:.2f}G"
    return f"{value / _THOUSAND**2:.2f}M" if abs(value) >= _THOUSAND**2 else f"{value:,.0f}"


def shown_rate(per_s: float) -> str:
    """`1,200/s`; with a digit more below ten."""
    return f"{per_s:,.0f}/s" if per_s >= _TEN or per_s == 0 else f"{per_s:.1f}/s"


def shown_ms(value: float | None) -> str:
    """`85 ms`, `5m10s`; a dash when unknown."""
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < _THOUSAND else shown_duration(value / _THOUSAND)


def shown_age(at_ms: int, now_ms: int) -> str:
    """How long ago: `5m10s ago`; a dash when unknown."""
    return f"{shown_duration(max(0, now_ms - at_ms) / _THOUSAND)} ago" if at_ms else "-"
