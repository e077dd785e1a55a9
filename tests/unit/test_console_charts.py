"""Charts: rates from counters, holes where nobody looked, and paths that stay inside their frame."""

import re

from hypothesis import given
from hypothesis import strategies as st

from forwarder.console.charts import GAP_MS, HEIGHT, SPAN_MS, WIDTH, Point, chart, coarse, levels, rate_now, rates
from forwarder.console.shown import shown_age, shown_count, shown_ms, shown_rate
from forwarder.queue.history import Sample


def at(second: int, **counts: int) -> Sample:
    return Sample(second * 1_000, **counts)


def test_a_rate_is_what_was_gained_between_two_samples() -> None:
    samples = [at(0, delivered=100), at(10, delivered=300), at(20, delivered=300)]
    assert rates(samples, "delivered") == [Point(10_000, 20.0, joined=False), Point(20_000, 0.0)]


def test_a_ledger_that_began_anew_gains_nothing_and_leaves_a_hole() -> None:
    samples = [at(0, delivered=100), at(10, delivered=200), at(20, delivered=0), at(30, delivered=10)]
    assert rates(samples, "delivered") == [Point(10_000, 10.0, joined=False), Point(30_000, 1.0, joined=False)]


def test_where_nobody_looked_there_is_a_hole() -> None:
    later = 20 + GAP_MS // 1000 + 1
    samples = [at(10, pending=1), at(20, pending=2), at(later, pending=3)]
    assert [point.joined for point in levels(samples, "pending")] == [False, True, False]
    assert [point.at_ms for point in rates(samples, "pending")] == [20_000]


def test_the_rate_of_now_is_taken_over_some_seconds() -> None:
    samples = [at(0, delivered=0), at(10, delivered=1_000), at(20, delivered=1_000)]
    assert rate_now(samples, "delivered", at(25, delivered=1_150)) == 10.0
    assert rate_now([at(24, delivered=1_000)], "delivered", at(25, delivered=1_150)) == 150.0
    assert rate_now([], "delivered", at(25, delivered=1_150)) == 0.0
    assert rate_now([at(0, delivered=10)], "delivered", at(25)) == 0.0


def test_a_point_stands_for_half_a_minute_and_no_peak_is_lost() -> None:
    samples = [at(second, pending=second % 40, delivered=second) for second in range(0, 120, 10)]
    assert [one.at_ms for one in coarse(samples)] == [20_000, 50_000, 80_000, 110_000]
    assert [one.pending for one in coarse(samples, "pending")] == [20, 30, 30, 30]


def test_a_chart_says_in_words_what_it_shows() -> None:
    lines = [("first", "accepted", [Point(10, 5.0)]), ("second", "delivered", [])]
    assert chart("Events", lines, 10, shown_rate).spoken == (
        "Events, last hour: at most 5.0/s; now accepted 5.0/s, delivered 0/s"
    )


def test_what_is_older_than_an_hour_is_not_drawn() -> None:
    drawn = chart("Backlog", [("level", "", [Point(1, 1e9), Point(SPAN_MS, 7)])], SPAN_MS + 2, shown_count)
    assert drawn.top == "7"


@given(st.lists(st.tuples(st.integers(0, SPAN_MS), st.integers(0, 10**15)), max_size=40))
def test_a_line_stays_inside_its_frame(values: list[tuple[int, int]]) -> None:
    samples = [Sample(at_ms, pending=pending) for at_ms, pending in sorted(values)]
    (line,) = chart("Backlog", [("level", "", levels(samples, "pending"))], SPAN_MS, shown_count).lines
    pairs = re.findall(r"([\d.]+) ([\d.]+)", line.path + line.area)
    assert bool(pairs) == bool(samples)
    assert all(0 <= float(x) <= WIDTH + 1 and 0 <= float(y) <= HEIGHT for x, y in pairs)
    assert "nan" not in line.path + line.area


def test_numbers_are_written_as_people_read_them() -> None:
    assert [shown_count(value) for value in (0, 12_345, 1_234_567, 2e9)] == ["0", "12,345", "1.23M", "2.00G"]
    assert [shown_rate(value) for value in (0, 0.25, 9.9, 1_200)] == ["0/s", "0.2/s", "9.9/s", "1,200/s"]
    assert [shown_ms(value) for value in (None, 84.6, 310_000)] == ["-", "85 ms", "5m10s"]
    assert [shown_age(value, 20_000) for value in (0, 5_000)] == ["-", "15s ago"]
