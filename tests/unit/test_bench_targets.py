from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.delivery import Row
from tests.benchmarks.finding import Finding
from tests.benchmarks.targets import findings

GOOD = [
    Row("500 per body", cpu=0.9, floor_cpu=0.6, events_per_s=8e5, floor_events_per_s=1e6, rss_mb=70),
    Row("2,000 per body", cpu=0.7, floor_cpu=0.3, events_per_s=9e5, floor_events_per_s=2e6, rss_mb=80),
    Row("one per entry", cpu=3.4, floor_cpu=0.6, events_per_s=2e5, floor_events_per_s=1e6, rss_mb=70),
    Row("50 ms", cpu=1.0, floor_cpu=0.6, events_per_s=2.5e5, floor_events_per_s=1e6, rss_mb=90),
    Row("50 ms, two workers", cpu=1.0, floor_cpu=0.6, events_per_s=4.6e5, floor_events_per_s=1e6, rss_mb=90),
    Row("10,000,000 queued", cpu=1.0, floor_cpu=0.6, events_per_s=8e5, floor_events_per_s=1e6, rss_mb=75),
]


def missed(rows: list[Row]) -> list[Finding]:
    return [finding for finding in findings(rows) if not finding.good]


def test_all_is_well_when_each_target_is_reached() -> None:
    assert len(list(findings(GOOD))) == 8
    assert missed(GOOD) == []


def test_what_was_not_measured_is_not_judged() -> None:
    assert [finding.case for finding in findings(GOOD[3:4])] == ["50 ms: events/s"]


@pytest.mark.parametrize(
    ("case", "changed", "lines"),
    [
        ("500 per body", {"cpu": 1.1}, ["500 per body: CPU s per million events", "500 per body: CPU by the floor's"]),
        ("2,000 per body", {"cpu": 0.76}, ["2,000 per body: CPU s per million events"]),
        ("one per entry", {"cpu": 3.6}, ["one per entry: CPU s per million events"]),
        ("50 ms", {"events_per_s": 1.9e5}, ["50 ms: events/s"]),
        ("50 ms, two workers", {"events_per_s": 4e5}, ["50 ms: two workers by one"]),
        ("10,000,000 queued", {"rss_mb": 100}, ["memory with 10,000,000 queued by that with 1,000,000"]),
    ],
)
def test_what_falls_short_is_said(case: str, changed: dict[str, Any], lines: list[str]) -> None:
    rows = [replace(row, **changed) if row.case == case else row for row in GOOD]
    assert [finding.case for finding in missed(rows)] == lines
