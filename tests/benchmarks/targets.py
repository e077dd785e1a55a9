"""What delivery is to reach, and whether the rows of a run reach it (pure)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from tests.benchmarks.delivery import Row
from tests.benchmarks.finding import Finding

AT_MOST: Final[tuple[tuple[str, str, str, float, Callable[[Row], float]], ...]] = (
    ("500 per body", "CPU s per million events", "{:.2f}", 1.0, lambda row: row.cpu),
    ("500 per body", "CPU by the floor's", "{:.2f}", 1.6, lambda row: row.ratio),
    ("2,000 per body", "CPU s per million events", "{:.2f}", 0.75, lambda row: row.cpu),
    ("one per entry", "CPU s per million events", "{:.2f}", 3.5, lambda row: row.cpu),
    ("10,000,000 queued", "MB of the largest process", "{:.0f}", 150, lambda row: row.rss_mb),
)
"""Case, what of it, how it is written, the most that it may be."""
EVENTS_PER_S: Final = 200_000
TWO_WORKERS: Final = 1.8
FLAT: Final = 1.2
"""By so much a worker may be larger with ten times the backlog."""


def findings(rows: Iterable[Row]) -> Iterator[Finding]:
    """Each target whose cases were measured."""
    by_case = {row.case: row for row in rows}
    for case, what, form, most, value in AT_MOST:
        if row := by_case.get(case):
            found = value(row)
            yield Finding(f"{case}: {what}", f"≤ {most:g}", form.format(found), found <= most)
    yield from _with_latency(by_case)
    if {"500 per body", "10,000,000 queued"} <= by_case.keys():
        grown = by_case["10,000,000 queued"].rss_mb / by_case["500 per body"].rss_mb
        yield Finding(
            "memory with 10,000,000 queued by that with 1,000,000", f"≤ {FLAT:g}", f"{grown:.2f}", grown <= FLAT
        )


def _with_latency(by_case: Mapping[str, Row]) -> Iterator[Finding]:
    one, two = by_case.get("50 ms"), by_case.get("50 ms, two workers")
    if one:
        good = one.events_per_s >= EVENTS_PER_S
        yield Finding("50 ms: events/s", f"≥ {EVENTS_PER_S:,}", f"{one.events_per_s:,.0f}", good)
    if one and two:
        ratio = two.events_per_s / one.events_per_s
        yield Finding("50 ms: two workers by one", f"≥ {TWO_WORKERS:g} x", f"{ratio:.2f} x", ratio >= TWO_WORKERS)
