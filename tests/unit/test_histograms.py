from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.histograms import ALL, BATCH_EVENTS, REQUEST_MS, Histogram, is_bucket

SMALL = Histogram("small_ms", (10, 20, 50))


def observed(*values: float, weight: int = 1) -> Counter[str]:
    tally: Counter[str] = Counter()
    for value in values:
        SMALL.observe(tally, value, weight)
    return tally


def test_a_value_is_counted_in_the_first_bucket_that_holds_it() -> None:
    tally = observed(0, 10, 10.1, 50, 51)
    assert SMALL.counts(tally) == [2, 1, 1, 1]
    assert tally["small_ms:le:inf"] == 1
    assert tally["small_ms:sum"] == 121


def test_a_weight_counts_as_so_many_values() -> None:
    tally = observed(15, weight=500)
    assert (SMALL.counts(tally), tally["small_ms:sum"]) == ([0, 500, 0, 0], 7_500)


def test_without_values_there_is_no_quantile() -> None:
    assert SMALL.quantile({}, 0.5) is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 20.0), (0.25, 15.0), (0.75, 35.0), (1, 50.0), (0, 10.0)])
def test_a_quantile_is_interpolated_inside_its_bucket(share: float, value: float) -> None:
    assert SMALL.quantile({"small_ms:le:20": 2, "small_ms:le:50": 2}, share) == value


def test_a_quantile_is_not_beyond_the_value_that_it_stands_for() -> None:
    assert SMALL.quantile({"small_ms:le:10": 2, "small_ms:le:50": 2}, 0.5) == 10.0


def test_the_first_bucket_begins_at_nought() -> None:
    assert SMALL.quantile(observed(1, 9), 0.5) == 5.0


def test_beyond_all_bounds_a_quantile_is_the_last_bound() -> None:
    assert SMALL.quantile({"small_ms:le:inf": 1}, 0.5) == 50.0


@given(st.lists(st.floats(0, 60_000), min_size=1, max_size=40), st.floats(0, 1))
def test_a_quantile_is_in_the_bucket_of_the_value_that_it_stands_for(values: list[float], share: float) -> None:
    tally: Counter[str] = Counter()
    for value in values:
        REQUEST_MS.observe(tally, value)
    estimate = REQUEST_MS.quantile(tally, share)
    assert estimate is not None
    wanted = share * len(values)
    at_most = [bound for bound in REQUEST_MS.bounds if sum(value <= bound for value in values) >= wanted > 0]
    assert estimate <= (
        at_most[0]
        if at_most
        else REQUEST_MS.bounds[-1]
        if wanted
        else min(bound for bound in REQUEST_MS.bounds if bound >= min(values))
    )


def test_the_parts_of_a_histogram_are_told_from_other_counters() -> None:
    tally: Counter[str] = Counter()
    for histogram in ALL:
        histogram.observe(tally, 3)
        assert sum(histogram.counts(tally)) == 1
    assert all(is_bucket(name) for name in tally)
    assert not is_bucket("requests:200")
    assert not is_bucket("dead_lettered:rejected")


def test_the_names_of_the_counters_are_those_of_ledgers_that_are_kept() -> None:
    """Another bound, or another name, would lose what has been counted."""
    minute = "5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000"
    bounds = {
        "request_ms": minute,
        "deliver_ms": f"{minute} 300000 1800000 7200000 86400000",
        "batch_events": "1 2 5 10 25 50 100 250 500 1000 2500 5000 10000",
        "batch_bytes": "256 1024 4096 16384 65536 262144 1048576 4194304 16777216",
    }
    assert {histogram.name: " ".join(map(str, histogram.bounds)) for histogram in ALL} == bounds


def test_a_batch_of_the_default_size_is_a_bound_of_its_own() -> None:
    assert 500 in BATCH_EVENTS.bounds
