"""First times of events that share an entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.accepted import Accepted, accepted, read_accepted

TIMES = st.lists(st.integers(0, 2**48), min_size=1, max_size=20)


@given(TIMES)
def test_each_event_keeps_its_time_over_the_wire(times_ms: list[int]) -> None:
    written = accepted(times_ms)
    read = read_accepted(written.at_ms, written.ats)
    assert [read.of(place) for place in range(len(times_ms))] == times_ms
    assert read.at_ms == min(times_ms)


@given(TIMES, st.data())
def test_a_part_keeps_the_times_of_its_events(times_ms: list[int], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.sampled_from(range(len(times_ms))), min_size=1, unique=True))
    part = accepted(times_ms).part(places)
    assert [part.of(place) for place in range(len(places))] == [times_ms[place] for place in places]


def test_one_time_for_all_needs_no_field() -> None:
    assert accepted([7, 7, 7]) == Accepted(7)
    assert accepted([7, 7, 7]).ats == b""
    assert accepted([9, 7, 8]).ats == b"2,0,1"


@pytest.mark.parametrize("ats", [None, b"", b"1,", b",1", b"-1", b"1,x", b"1 2", b"9" * 16, b"\xff"])
def test_what_is_no_ats_counts_for_nothing(ats: bytes | None) -> None:
    assert read_accepted(5, ats) == Accepted(5)


def test_events_beyond_what_the_field_tells_are_as_old_as_the_oldest() -> None:
    assert read_accepted(5, b"1,0").of(2) == 5
