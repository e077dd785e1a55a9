from tests.benchmarks.check import dearer
from tests.benchmarks.delivery import Row


def row(case: str, cpu: float) -> Row:
    return Row(case, cpu, floor_cpu=0.5, events_per_s=1e5, floor_events_per_s=1e6, rss_mb=70)


def test_what_stays_within_the_margin_is_well_and_what_leaves_it_is_named() -> None:
    baseline = {"one": 2.0, "two": 2.0}
    assert dearer([row("one", 1.2), row("two", 1.29)], baseline) == []
    assert dearer([row("one", 1.2), row("two", 1.31)], baseline) == ["two: 2.62 times the floor, 2.00 before"]


def test_a_case_that_nobody_has_noted_is_no_success() -> None:
    (line,) = dearer([row("new", 1.0)], {})
    assert "--note" in line
