"""Entries become batches: every event once, in order, within the limits, and not later than the linger."""

import json

from hypothesis import given
from hypothesis import strategies as st

from forwarder.feedback import join
from tests.support.loads import SIZES, all_events, loads_of, roomy_for
from tests.unit.samples import array, entry, load, numbered
from workers.batch import BRACKETS, Batch, Capacity, Load
from workers.coalesce import Coalescer

LINGER_MS = 50.0
ENDLESS_MS = float("inf")


@given(SIZES, st.integers(1, 12), st.integers(2, 400))
def test_every_event_is_in_exactly_one_batch_in_order_and_no_body_exceeds_the_limits(
    sizes: list[list[int]], max_events: int, max_bytes: int
) -> None:
    loads = loads_of(sizes)
    capacity = roomy_for(loads, max_events, max_bytes)
    coalescer = Coalescer(capacity, LINGER_MS)
    batches = [closed for each in loads for closed in coalescer.add(each, 0.0)]
    last = coalescer.due(ENDLESS_MS)
    batches += [last] if last else []
    assert [each for closed in batches for each in closed.loads] == loads
    assert [event for closed in batches for event in json.loads(closed.body)] == all_events(loads)
    for closed in batches:
        assert closed.count == len(json.loads(closed.body)) <= capacity.max_events
        assert len(closed.body) <= capacity.max_bytes


@given(SIZES, st.integers(1, 12), st.integers(2, 400))
def test_a_batch_is_closed_only_when_it_is_full_or_the_next_entry_did_not_fit(
    sizes: list[list[int]], max_events: int, max_bytes: int
) -> None:
    loads = loads_of(sizes)
    capacity = roomy_for(loads, max_events, max_bytes)
    coalescer = Coalescer(capacity, LINGER_MS)
    batches = [closed for each in loads for closed in coalescer.add(each, 0.0)]
    following = [*batches[1:], coalescer.due(ENDLESS_MS)][: len(batches)]
    for closed, after in zip(batches, following, strict=True):
        both = Batch([*closed.loads, after.loads[0]]) if after else closed
        full = closed.count == capacity.max_events
        assert full or both.count > capacity.max_events or len(both.body) > capacity.max_bytes


def test_a_body_of_exactly_the_byte_limit_is_one_batch_and_a_byte_less_makes_two() -> None:
    loads = [load(numbered(2), 1), load(numbered(3), 2), load(numbered(1), 3)]
    size = len(Batch(loads).body)
    for max_bytes, batches in ((size, 1), (size - 1, 2)):
        coalescer = Coalescer(Capacity(100, max_bytes), LINGER_MS)
        for _ in range(2):
            closed = [one for each in loads for one in coalescer.add(each, 0.0)]
            assert len(closed) + len(coalescer.shut()) == batches


def test_what_an_open_batch_can_take_yet_is_told_with_its_commas() -> None:
    coalescer = Coalescer(Capacity(5, 1_000), LINGER_MS)
    assert (coalescer.waits, coalescer.free) == (False, (5, 1_000 - BRACKETS))
    first = load(numbered(2))
    coalescer.add(first, 0.0)
    assert (coalescer.waits, coalescer.free) == (True, (3, 1_000 - BRACKETS - len(first.members.joined) - 1))
    assert [batch.loads for batch in coalescer.shut()] == [[first]]
    assert (coalescer.waits, coalescer.shut()) == (False, [])


def test_a_batch_that_has_all_its_events_goes_at_once() -> None:
    coalescer = Coalescer(Capacity(3, 10_000), LINGER_MS)
    assert coalescer.add(load(numbered(2), 1), 0.0) == []
    (closed,) = coalescer.add(load(numbered(1), 2), 0.0)
    assert closed.count == 3
    assert coalescer.due(ENDLESS_MS) is None


def test_what_was_tried_before_does_not_travel_with_what_was_not() -> None:
    tried = [Load(entry(array(*numbered(1)), number, attempts=b"3"), join(numbered(1))) for number in (2, 3)]
    coalescer = Coalescer(Capacity(100, 10_000), LINGER_MS)
    fresh = [load(numbered(1), 1), load(numbered(1), 4)]
    closed = [one for each in [fresh[0], *tried, fresh[1]] for one in coalescer.add(each, 0.0)]
    last = coalescer.due(ENDLESS_MS)
    assert last
    assert [(one.attempts, len(one.loads)) for one in [*closed, last]] == [(0, 1), (3, 2), (0, 1)]


def test_the_oldest_entry_of_a_batch_is_the_least_by_number() -> None:
    made = Batch([load(numbered(1), number) for number in (10, 9, 11)])
    assert made.oldest == made.entry_ids[1]
    assert Batch(made.parts[:1]).oldest == made.entry_ids[0]


def test_one_load_can_close_two_batches() -> None:
    coalescer = Coalescer(Capacity(3, 10_000), LINGER_MS)
    coalescer.add(load(numbered(2), 1), 0.0)
    assert [closed.count for closed in coalescer.add(load(numbered(3), 2), 0.0)] == [2, 3]


def test_the_linger_counts_from_the_first_entry_of_the_open_batch() -> None:
    coalescer = Coalescer(Capacity(100, 10_000), LINGER_MS)
    coalescer.add(load(numbered(1), 1), 1_000.0)
    coalescer.add(load(numbered(1), 2), 1_040.0)
    assert coalescer.wait_ms(1_040.0) == 10.0
    assert coalescer.due(1_049.9) is None
    due = coalescer.due(1_050.0)
    assert due is not None
    assert due.count == 2


def test_the_linger_begins_anew_with_the_entry_that_did_not_fit() -> None:
    coalescer = Coalescer(Capacity(2, 10_000), LINGER_MS)
    coalescer.add(load(numbered(1), 1), 1_000.0)
    coalescer.add(load(numbered(2), 2), 1_030.0)
    coalescer.add(load(numbered(1), 3), 1_045.0)
    assert coalescer.wait_ms(1_045.0) == LINGER_MS


def test_an_empty_coalescer_is_never_due() -> None:
    coalescer = Coalescer(Capacity(2, 10_000), LINGER_MS)
    assert coalescer.wait_ms(0.0) == float("inf")
    assert coalescer.due(1e12) is None
    assert coalescer.due(ENDLESS_MS) is None


def test_without_linger_an_entry_is_due_at_once() -> None:
    coalescer = Coalescer(Capacity(100, 10_000), 0)
    coalescer.add(load(numbered(1)), 5.0)
    assert coalescer.due(5.0) is not None
