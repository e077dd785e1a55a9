"""How drains share the limit of requests in flight."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.concurrency import (
    granted,
    shares,
)

WANTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 60), min_size=1, max_size=9)


@given(st.integers(0, 100), WANTS, st.integers(0, 10_000))
def test_the_shares_add_up_to_the_limit(limit: int, wants: dict[str, int], turn: int) -> None:
    divided = shares(limit, wants, turn)
    assert divided.keys() == wants.keys()
    assert min(divided.values()) >= 0
    assert sum(divided.values()) == limit


@given(st.integers(0, 100), WANTS, st.integers(0, 10_000))
def test_who_has_less_than_it_wants_has_no_less_than_any_other(limit: int, wants: dict[str, int], turn: int) -> None:
    divided = shares(limit, wants, turn)
    short = [divided[drain] for drain in wants if divided[drain] < wants[drain]]
    assert all(share >= max(divided.values()) - 1 for share in short)


@given(st.integers(0, 100), WANTS, st.integers(0, 10_000))
def test_each_that_wants_has_one_when_there_are_enough(limit: int, wants: dict[str, int], turn: int) -> None:
    wanting = [drain for drain, want in wants.items() if want]
    served = [drain for drain in wanting if shares(limit, wants, turn)[drain]]
    assert len(served) == min(limit, len(wanting))


@given(WANTS, st.integers(0, 10_000))
def test_when_there_are_too_few_all_have_as_many_turns(wants: dict[str, int], turn: int) -> None:
    wanting = [drain for drain, want in wants.items() if want]
    for limit in range(len(wanting)):
        turns = [shares(limit, wants, turn + later) for later in range(len(wanting))]
        assert all(sum(divided[drain] for divided in turns) == limit for drain in wanting)


@pytest.mark.parametrize(
    ("limit", "wants", "divided"),
    [
        (10, {"a": 100, "b": 100}, {"a": 5, "b": 5}),
        (11, {"a": 100, "b": 100}, {"a": 5, "b": 6}),
        (10, {"a": 2, "b": 100}, {"a": 2, "b": 8}),
        (10, {"a": 0, "b": 100}, {"a": 0, "b": 10}),
        (10, {"a": 0, "b": 8}, {"a": 2, "b": 8}),
        (10, {"a": 1, "b": 3}, {"a": 5, "b": 5}),
        (10, {"a": 0, "b": 0, "c": 0}, {"a": 3, "b": 3, "c": 4}),
        (9, {"a": 1, "b": 4, "c": 50}, {"a": 1, "b": 4, "c": 4}),
        (2, {"a": 9, "b": 0, "c": 9}, {"a": 1, "b": 0, "c": 1}),
        (0, {"a": 9}, {"a": 0}),
        (7, {}, {}),
    ],
)
def test_shares(limit: int, wants: dict[str, int], divided: dict[str, int]) -> None:
    assert shares(limit, wants, turn=0) == divided


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=60),
)
def test_all_together_never_hold_more_than_the_limit(limit: int, asking: list[tuple[str, int, int, bool]]) -> None:
    """Drains join, ask in any order, use some of what they were granted, and leave."""
    wants: dict[str, int] = {}
    held: dict[str, int] = {}
    permits: dict[str, int] = {}
    for turn, (drain, want, used, leaves) in enumerate(asking):
        in_flight = min(used, permits.get(drain, 0))
        wants[drain], held[drain] = want, in_flight
        permits[drain] = granted(limit, drain, wants, held, turn)
        held[drain] = max(permits[drain], in_flight)
        assert sum(held.values()) <= limit
        if leaves:
            for known in (wants, held, permits):
                del known[drain]


def test_drains_agree_on_whose_turn_it_is() -> None:
    assert shares(1, {"b": 1, "a": 1}, 0) == shares(1, {"a": 1, "b": 1}, 0) == {"a": 1, "b": 0}


def test_who_finds_more_held_than_there_is_gets_nothing() -> None:
    assert granted(1, "a", {"a": 1, "b": 1}, {"b": 3}, 0) == 0


def test_a_drain_that_joins_waits_until_the_others_have_made_room() -> None:
    wants = {"old": 50, "new": 50}
    assert granted(10, "new", wants, {"old": 10}, 0) == 0
    assert granted(10, "old", wants, {"old": 10, "new": 0}, 0) == 5
    assert granted(10, "new", wants, {"old": 5, "new": 0}, 0) == 5
