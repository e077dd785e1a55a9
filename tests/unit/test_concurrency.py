import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.queue.flow import Limit, Window
from tests.support.simulated_upstream import ENDLESS, TRIP_MS, Simulation, Upstream
from workers.concurrency import (
    PROBE_FIRST_MS,
    PROBE_LAST_MS,
    REST_EVERY_MS,
    ROUND_MIN_MS,
    decide,
    due,
    granted,
    resumed,
    shares,
)

NOW_MS = 1_000_000
MAXIMUM = 1_000
CALM = Limit(value=20, slow_start=False, proven=20, base_rtt_ms=50.0, rtt_ms=50.0)
"""Learned, in use, and nothing known that would be too much."""

RESTING = replace(CALM, value=10, rest_from=20, rtt_ms=100.0, settled=True)

COUNTS = st.integers(0, 2_000)
TIMES_MS = st.integers(0, 2 * NOW_MS)
RTTS_MS = st.floats(0, 100_000)
LIMITS = st.builds(
    Limit,
    value=st.integers(1, 2_000),
    slow_start=st.booleans(),
    proven=COUNTS,
    ceiling=COUNTS,
    probe_at_ms=TIMES_MS,
    probe_wait_ms=st.integers(0, PROBE_LAST_MS),
    base_rtt_ms=RTTS_MS,
    rtt_ms=RTTS_MS,
    rest_from=COUNTS,
    settled=st.booleans(),
    rest_at_ms=TIMES_MS,
    calm_answered=COUNTS,
    calm_pushed=COUNTS,
    decided_ms=TIMES_MS,
    epoch=COUNTS,
)
WINDOWS = st.builds(
    Window,
    answered=COUNTS,
    rtt_ms=st.floats(0, 1e9),
    rtt_ms2=st.floats(0, 1e15),
    pushed_back=st.integers(0, 50),
    peak=COUNTS,
    silent=st.integers(0, 3),
)


def seen(limit: Limit, rtt_ms: float = 50.0, **fields: Any) -> Window:  # noqa: ANN401 - any field
    """A window in which the limit was in use, and all round trips were alike."""
    answered = fields.pop("answered", 4 * limit.value)
    usual = {"answered": answered, "rtt_ms": answered * rtt_ms, "rtt_ms2": answered * rtt_ms**2, "peak": limit.value}
    return Window(**{**usual, **fields})


def after(limit: Limit, rtt_ms: float = 50.0, now_ms: int = NOW_MS, **fields: Any) -> Limit:  # noqa: ANN401 - any field
    """The next limit after such a window."""
    return decide(limit, seen(limit, rtt_ms, **fields), now_ms, MAXIMUM)


def untaught(limit: Limit) -> Limit:
    """Without what calm has taught."""
    return replace(limit, calm_answered=0, calm_pushed=0)


def pushed(limit: Limit, now_ms: int = NOW_MS) -> Limit:
    """The next limit after much back-pressure."""
    return after(limit, now_ms=now_ms, pushed_back=10)


# Any state, any window


@given(LIMITS, WINDOWS, TIMES_MS, st.integers(1, 2_000))
def test_every_decision_is_within_the_bounds_and_no_more_than_a_doubling(
    limit: Limit, window: Window, now_ms: int, maximum: int
) -> None:
    decided = decide(limit, window, now_ms, maximum)
    assert 1 <= decided.value <= maximum
    assert decided.value <= max(2 * limit.value, limit.rest_from)
    assert decided.decided_ms == now_ms
    assert 0 <= decided.probe_wait_ms <= PROBE_LAST_MS
    assert decided.base_rtt_ms >= 0


@given(LIMITS, WINDOWS, TIMES_MS, st.integers(1, 2_000))
def test_each_change_begins_an_epoch_and_so_does_back_pressure_that_counts(
    limit: Limit, window: Window, now_ms: int, maximum: int
) -> None:
    decided = decide(limit, window, now_ms, maximum)
    pressed = due(limit, replace(window, silent=1), now_ms)
    assert decided.epoch - limit.epoch == (pressed or decided.value != limit.value)


@given(LIMITS, WINDOWS, TIMES_MS)
def test_back_pressure_never_raises_the_limit(limit: Limit, window: Window, now_ms: int) -> None:
    window = replace(window, pushed_back=3 + window.answered)
    assert due(limit, window, now_ms)
    assert decide(limit, window, now_ms, MAXIMUM).value < max(limit.value, 2)


@given(LIMITS, TIMES_MS)
def test_a_window_without_answers_changes_nothing(limit: Limit, now_ms: int) -> None:
    limit = replace(limit, value=min(limit.value, MAXIMUM))
    assert decide(limit, Window(), now_ms, MAXIMUM) == replace(limit, decided_ms=now_ms)


@given(LIMITS)
def test_the_state_can_be_kept_as_json(limit: Limit) -> None:
    assert msgspec.json.decode(msgspec.json.encode(limit), type=Limit) == limit


# When a decision is due


@pytest.mark.parametrize(
    ("window", "after_ms", "is_due"),
    [
        pytest.param(seen(CALM), ROUND_MIN_MS, True, id="all reported, a round is answered"),
        pytest.param(seen(CALM), ROUND_MIN_MS - 1, False, id="too soon"),
        pytest.param(seen(CALM, silent=1), 60_000, False, id="a drain has not reported"),
        pytest.param(seen(CALM, answered=19), 60_000, False, id="less than a round is answered"),
        pytest.param(seen(CALM, answered=3, peak=3), ROUND_MIN_MS, True, id="little is in flight, all of it answered"),
        pytest.param(seen(CALM, answered=1, peak=1), ROUND_MIN_MS, True, id="a single request is answered"),
        pytest.param(seen(CALM, answered=20, peak=40), ROUND_MIN_MS, True, id="what was too much needs no answer"),
        pytest.param(seen(CALM, 400.0), 399, False, id="sooner than the mean round trip"),
        pytest.param(seen(CALM, 400.0), 400, True, id="after the mean round trip"),
        pytest.param(Window(), 60_000, False, id="nothing happened"),
        pytest.param(Window(pushed_back=3), 0, True, id="back-pressure does not wait"),
    ],
)
def test_a_decision_is_due(window: Window, after_ms: int, *, is_due: bool) -> None:
    assert due(replace(CALM, decided_ms=NOW_MS), window, NOW_MS + after_ms) is is_due


def test_near_what_once_was_too_much_more_rounds_are_waited_for() -> None:
    tried = Limit(value=11, proven=10, ceiling=11)
    assert not due(tried, seen(tried, answered=43), NOW_MS)
    assert due(tried, seen(tried, answered=44), NOW_MS)
    for known in (replace(tried, proven=11), replace(tried, ceiling=0), replace(tried, rest_from=22)):
        assert due(known, seen(known, answered=11), NOW_MS)


@pytest.mark.parametrize(
    ("value", "answered", "most"),
    [(1, 0, 2), (20, 0, 2), (20, 100, 5), (20, 1_000, 18)],
)
def test_a_proven_limit_bears_a_glitch_or_two_and_one_in_a_hundred(value: int, answered: int, most: int) -> None:
    proven = Limit(value=value, proven=value)
    assert not due(proven, Window(answered=answered, pushed_back=most, silent=1), NOW_MS)
    assert due(proven, Window(answered=answered, pushed_back=most + 1, silent=1), NOW_MS)


@pytest.mark.parametrize(("value", "most"), [(1, 0), (7, 0), (8, 1), (15, 1), (16, 2), (500, 2)])
def test_a_limit_that_is_being_tried_bears_less_the_smaller_it_is(value: int, most: int) -> None:
    tried = Limit(value=value, proven=value - 1)
    assert not due(tried, Window(answered=10_000, pushed_back=most, silent=1), NOW_MS)
    assert due(tried, Window(answered=10_000, pushed_back=most + 1, silent=1), NOW_MS)


def test_the_odd_errors_that_calm_has_taught_count_for_nothing_up_to_three_in_a_hundred() -> None:
    for taught, most in ((0, 2), (2, 8), (3, 10), (30, 10)):
        tried = Limit(value=20, proven=19, calm_answered=100 * 10, calm_pushed=taught * 10)
        assert not due(tried, Window(answered=150, pushed_back=most, silent=1), NOW_MS)
        assert due(tried, Window(answered=150, pushed_back=most + 1, silent=1), NOW_MS)
    proven = replace(tried, proven=20)
    assert not due(proven, Window(answered=150, pushed_back=10, silent=1), NOW_MS), "more than the one in a hundred"


def test_calm_teaches_of_the_last_few_thousand_answers_and_back_pressure_teaches_nothing() -> None:
    limit = after(CALM, answered=1_500, pushed_back=15)
    assert (limit.calm_answered, limit.calm_pushed) == (1_500, 15)
    limit = after(limit, answered=1_500)
    assert (limit.calm_answered, limit.calm_pushed) == (1_500, 7)
    pressed = pushed(limit)
    assert (pressed.calm_answered, pressed.calm_pushed) == (1_500, 7)


# Up


def test_slow_start_doubles_while_the_limit_is_in_use() -> None:
    limit, values = Limit(), []
    for _ in range(7):
        limit = after(limit)
        values.append(limit.value)
    assert values == [2, 4, 8, 16, 32, 64, 128]


@pytest.mark.parametrize("limit", [Limit(), Limit(value=8, proven=4), CALM])
def test_a_limit_that_is_not_in_use_stays(limit: Limit) -> None:
    assert after(limit, peak=limit.value - 1).value == limit.value


@pytest.mark.parametrize(("value", "grown"), [(1, 2), (9, 10), (19, 20), (20, 22), (100, 110), (990, 1_000)])
def test_after_slow_start_it_grows_by_a_tenth_up_to_the_maximum(value: int, grown: int) -> None:
    assert after(replace(CALM, value=value, proven=value)).value == grown


@pytest.mark.parametrize(("value", "grown"), [(100, 110), (180, 189), (190, 194), (196, 197), (197, 198), (198, 198)])
def test_towards_the_ceiling_steps_become_smaller_and_there_they_end(value: int, grown: int) -> None:
    limit = replace(CALM, value=value, ceiling=198, probe_at_ms=NOW_MS + 1)
    assert after(limit).value == grown


def test_what_was_in_use_and_held_is_proven() -> None:
    assert after(replace(CALM, proven=19)).proven == 20


def test_one_more_than_the_ceiling_is_tried_when_its_time_has_come() -> None:
    limit = replace(CALM, ceiling=20, probe_at_ms=NOW_MS)
    assert after(limit, now_ms=NOW_MS - 1).value == 20
    assert after(limit).value == 21


def test_a_try_that_works_forgets_the_ceiling_and_its_steps_double() -> None:
    limit, values = replace(CALM, ceiling=20, probe_at_ms=NOW_MS, probe_wait_ms=40_000), []
    for _ in range(6):
        limit = after(limit)
        values.append(limit.value)
    assert values == [21, 23, 27, 35, 51, 83]
    assert (limit.ceiling, limit.probe_wait_ms) == (0, 0)


def test_one_more_than_one_is_a_try_as_any_other() -> None:
    limit = after(Limit(value=2, slow_start=False, proven=1, ceiling=1))
    assert (limit.ceiling, limit.proven, limit.value) == (0, 2, 4)


# Down, for back-pressure


def test_back_pressure_ends_slow_start_and_goes_back_to_half() -> None:
    limit = pushed(Limit(value=16, proven=8))
    assert (limit.value, limit.slow_start, limit.proven, limit.ceiling) == (8, False, 8, 15)


def test_each_try_that_fails_goes_back_to_what_holds_and_doubles_the_wait() -> None:
    limit, now_ms, waits = replace(CALM, ceiling=20), NOW_MS, []
    for _ in range(6):
        limit = pushed(after(limit, now_ms=now_ms), now_ms)
        assert (limit.value, limit.proven, limit.ceiling) == (20, 20, 20)
        waits.append(limit.probe_at_ms - now_ms)
        now_ms = limit.probe_at_ms
    assert waits == [PROBE_FIRST_MS, 10_000, 20_000, 40_000, PROBE_LAST_MS, PROBE_LAST_MS]


def test_a_step_that_was_too_large_leaves_smaller_ones_to_try_at_once() -> None:
    limit = pushed(replace(CALM, value=120, proven=100))
    assert (limit.value, limit.ceiling) == (100, 119)
    assert after(limit, now_ms=NOW_MS + 1).value == 109


def test_a_limit_that_does_not_hold_any_more_is_left_by_quarters() -> None:
    limit, values = CALM, []
    for _ in range(8):
        limit = pushed(limit)
        values.append(limit.value)
    assert values == [15, 11, 8, 6, 4, 3, 2, 1]
    assert (limit.proven, limit.ceiling, limit.probe_at_ms) == (0, 1, NOW_MS + PROBE_FIRST_MS)


def test_when_even_one_is_too_much_all_is_learned_anew() -> None:
    limit = pushed(Limit(value=1, slow_start=False, ceiling=1, probe_at_ms=NOW_MS + 1))
    assert (limit.value, limit.slow_start, limit.ceiling) == (1, True, 0)
    assert limit.epoch == 1, "what was sent before says nothing any more"
    assert after(limit).value == 2


def growth(limit: Limit, rounds: int) -> list[int]:
    """The values of some rounds in which all went well."""
    values = []
    for _ in range(rounds):
        limit = after(limit)
        values.append(limit.value)
    return values


def test_after_a_pause_it_begins_with_a_quarter_and_doubles_up_to_what_is_proven() -> None:
    limit = resumed(replace(CALM, value=64, proven=64, epoch=7), NOW_MS)
    assert (limit.value, limit.decided_ms, limit.epoch) == (16, NOW_MS, 8)
    assert growth(limit, 4) == [32, 64, 65, 67]
    assert resumed(Limit(), NOW_MS).value == 1
    assert resumed(RESTING, NOW_MS).rest_from == 0


def test_after_a_pause_that_came_of_too_much_at_once_it_does_not_try_as_much_again() -> None:
    """Else a slow start that leads to a pause would lead to the next one."""
    limit = resumed(pushed(Limit(value=16, proven=8)), NOW_MS)
    assert growth(limit, 6) == [4, 8, 9, 11, 13, 14]


def test_what_an_outage_has_taught_is_tried_again_at_once() -> None:
    fallen = pushed(pushed(CALM))
    assert (fallen.value, fallen.proven, fallen.ceiling) == (11, 0, 14)
    assert growth(resumed(fallen, NOW_MS), 9) == [4, 8, 11, 12, 13, 14, 15, 17, 21]


def test_what_was_proven_and_has_held_before_stays_proven_while_it_comes_back() -> None:
    assert after(replace(CALM, value=5)).proven == 20
    assert after(replace(CALM, value=15)).value == 20, "and is not passed with a leap"


# By round trips


@pytest.mark.parametrize("rtt_ms", [50.0, 60.0, 67.0])
def test_round_trips_about_as_short_as_at_rest_let_it_grow(rtt_ms: float) -> None:
    assert after(CALM, rtt_ms).value == 22


@pytest.mark.parametrize("rtt_ms", [75.0, 90.0, 107.0])
def test_longer_ones_hold_it(rtt_ms: float) -> None:
    limit = replace(CALM, slow_start=True, rtt_ms=rtt_ms, rest_at_ms=NOW_MS + 1)
    assert untaught(after(limit, rtt_ms)) == replace(limit, slow_start=False, decided_ms=NOW_MS)


@pytest.mark.parametrize("rtt_ms", [115.0, 1_000.0])
def test_slow_ones_make_the_fleet_rest_when_they_rise_no_more(rtt_ms: float) -> None:
    limit = after(replace(CALM, rest_at_ms=NOW_MS + 1), rtt_ms)
    assert (limit.value, limit.rest_from) == (20, 0)
    limit = after(limit, rtt_ms)
    assert (limit.value, limit.rest_from, limit.rtt_ms) == (10, 20, rtt_ms)
    assert not after(replace(limit, value=20, rest_from=0, settled=True), rtt_ms).settled, "each rest settles anew"


def test_those_in_between_make_it_rest_now_and_then() -> None:
    limit = replace(CALM, rtt_ms=80.0, rest_at_ms=NOW_MS)
    assert after(limit, 80.0, now_ms=NOW_MS - 1).rest_from == 0
    assert after(limit, 80.0).rest_from == 20


def test_the_first_round_of_a_rest_shows_the_queue_that_was_there_before() -> None:
    limit = replace(RESTING, settled=False)
    assert untaught(after(limit, 100.0)) == replace(RESTING, decided_ms=NOW_MS)


@pytest.mark.parametrize(("rtt_ms", "rested_ms", "value"), [(80.0, 50.0, 15), (130.0, 65.0, 15), (160.0, 80.0, 12)])
def test_a_queue_of_our_making_is_shortened(rtt_ms: float, rested_ms: float, value: int) -> None:
    """At half the limit the round trip has fallen: it was for the limit that it was long."""
    limit = after(replace(RESTING, rtt_ms=rtt_ms), rested_ms)
    assert (limit.value, limit.proven, limit.rest_from, limit.base_rtt_ms) == (value, value, 0, 50.0)
    assert limit.rest_at_ms == NOW_MS + REST_EVERY_MS


def test_the_round_trip_of_a_rest_is_the_one_at_rest_when_it_is_the_shortest_seen() -> None:
    assert after(RESTING, 40.0).base_rtt_ms == 40.0


def test_a_queue_that_is_not_certain_is_none_of_ours() -> None:
    limit = after(RESTING, 70.0, answered=4)
    assert (limit.value, limit.base_rtt_ms) == (20, 70.0)


def test_a_rest_proves_no_limit() -> None:
    assert after(replace(RESTING, proven=5), 50.0).proven == 5


def test_a_long_queue_is_halved_and_not_more() -> None:
    assert after(replace(RESTING, rtt_ms=1_000.0), 500.0).value == 10


@pytest.mark.parametrize("rested_ms", [170.0, 200.0, 215.0])
def test_an_upstream_that_has_become_slower_is_the_new_measure(rested_ms: float) -> None:
    """At half the limit the round trip is about what it was: it is not for the limit."""
    limit = after(replace(RESTING, rtt_ms=200.0), rested_ms)
    assert (limit.value, limit.rest_from, limit.base_rtt_ms) == (20, 0, rested_ms)
    assert limit.rest_at_ms == NOW_MS + REST_EVERY_MS
    assert after(limit, 200.0).value == 22


def test_round_trips_that_rise_at_rest_teach_nothing_yet() -> None:
    """A queue that still builds up would else be taken for a slower upstream."""
    limit = after(replace(RESTING, rest_at_ms=7), 300.0)
    assert untaught(limit) == replace(CALM, rtt_ms=300.0, rest_at_ms=7, settled=True, decided_ms=NOW_MS, epoch=1)


def test_back_pressure_during_a_rest_counts_as_ever() -> None:
    limit = pushed(RESTING)
    assert (limit.value, limit.rest_from) == (7, 0)


def test_the_round_trip_at_rest_falls_at_once_and_does_not_rise_with_the_limit() -> None:
    assert after(CALM, 20.0, answered=1_000).base_rtt_ms == pytest.approx(20.0, rel=0.01)
    assert after(CALM, 60.0).base_rtt_ms == 50.0


def test_at_a_limit_of_one_all_is_rest() -> None:
    limit = after(Limit(value=1, slow_start=False, ceiling=1, base_rtt_ms=50.0), 200.0, answered=1_000)
    assert limit.base_rtt_ms == pytest.approx(200.0, rel=0.01)
    certain_ms = 100.0 - 25.0  # four answers, and half a one that may yet come
    assert after(replace(CALM, value=1, proven=1), 100.0).base_rtt_ms == certain_ms


@given(LIMITS, WINDOWS, TIMES_MS)
def test_at_a_limit_of_one_there_is_no_less_to_rest_at(limit: Limit, window: Window, now_ms: int) -> None:
    assert decide(replace(limit, value=1, rest_from=0), window, now_ms, MAXIMUM).rest_from == 0


@pytest.mark.parametrize("rtt_ms", [0.3, 1.0, 5.0])
def test_below_a_few_milliseconds_nothing_is_a_queue(rtt_ms: float) -> None:
    assert after(replace(CALM, base_rtt_ms=0.2), rtt_ms).value == 22


def test_one_answer_that_took_long_does_not_make_a_mean_slow() -> None:
    rtts_ms = [50.0] * 39 + [5_000.0]
    window = Window(40, sum(rtts_ms), sum(rtt_ms**2 for rtt_ms in rtts_ms), peak=20)
    assert window.rtt_ms / window.answered > 3 * 50
    assert decide(CALM, window, NOW_MS, MAXIMUM).value > CALM.value


def test_one_answer_alone_shows_nothing() -> None:
    single = replace(CALM, value=1)
    assert after(single, 1_000.0, answered=1).value == 2
    assert after(single, 1.0, answered=1).base_rtt_ms > 1.0


# Shares

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


# A fleet against an upstream, simulated


@pytest.mark.parametrize("drains", [1, 2, 4, 8])
@pytest.mark.parametrize("capacity", [1, 3, 10, 50, 200])
def test_the_capacity_of_an_upstream_that_pushes_back_is_found_and_used(capacity: int, drains: int) -> None:
    simulation = Simulation(Upstream(capacity=capacity), drains)
    simulation.run(60_000)
    passed = simulation.passed(10_000, 60_000)
    assert passed.per_s >= 0.95 * capacity * 20
    assert passed.pushed_back <= 0.005


@pytest.mark.parametrize("drains", [1, 2, 4, 8])
def test_an_upstream_that_queues_is_kept_busy_with_a_short_queue(drains: int) -> None:
    simulation = Simulation(Upstream(servers=10), drains)
    simulation.run(120_000)
    passed = simulation.passed(10_000, 120_000)
    assert passed.per_s >= 0.98 * 200
    assert passed.rtt_ms <= 2 * 50


@pytest.mark.parametrize("drains", [1, 2, 4, 8])
def test_without_any_limit_the_maximum_is_reached_in_seconds_and_kept(drains: int) -> None:
    simulation = Simulation(Upstream(), drains, maximum=128)
    simulation.run(10_000)
    assert simulation.limits[-1][1] == 128
    assert simulation.limits[-1][0] <= 3_000


@pytest.mark.parametrize("latency_ms", [10, 500])
@pytest.mark.parametrize("kind", [{"capacity": 10}, {"servers": 10}])
def test_a_quick_upstream_and_a_slow_one_are_kept_busy_too(latency_ms: int, kind: dict[str, Any]) -> None:
    simulation = Simulation(Upstream(latency_ms=latency_ms, **kind), 2)
    simulation.run(90_000)
    passed = simulation.passed(30_000, 90_000)
    assert passed.per_s >= 0.95 * 10_000 / (latency_ms + TRIP_MS)
    assert passed.pushed_back <= 0.007


def uniform(source: random.Random) -> float:
    """A factor that noise puts on a latency: 20 % more or less."""
    return source.uniform(0.8, 1.2)


def exponential(source: random.Random) -> float:
    """The same, but as wild as that of many an API: one in twenty takes three times as long, or longer."""
    return source.expovariate(1.0)


@pytest.mark.parametrize(("noise", "share"), [(uniform, 0.95), (exponential, 0.9)])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("kind", "capacity"), [({"capacity": 10}, 10), ({"servers": 10}, 10), ({}, 64)])
def test_noise_does_not_wear_the_limit_down(
    kind: dict[str, Any],
    capacity: int,
    seed: int,
    noise: Callable[[random.Random], float],
    share: float,
) -> None:
    simulation = Simulation(Upstream(noise=noise, **kind), 2, maximum=64, seed=seed)
    simulation.run(70_000)
    assert simulation.passed(10_000, 70_000).per_s >= share * capacity * 20


def test_mild_noise_never_lowers_the_limit_at_all() -> None:
    simulation = Simulation(Upstream(noise=uniform), 2, maximum=32)
    simulation.run(120_000)
    values = [value for _, value in simulation.limits]
    assert values == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(
    ("before", "change", "per_s", "within_ms"),
    [
        pytest.param({"capacity": 10}, {"capacity": 20}, 400, 30_000, id="capacity doubled"),
        pytest.param({"capacity": 20}, {"capacity": 10}, 200, 3_000, id="capacity halved"),
        pytest.param({"capacity": 200}, {"capacity": 10}, 200, 3_000, id="capacity nearly gone"),
        pytest.param({"capacity": 10}, {"capacity": None}, 2_560, 30_000, id="capacity without bound"),
        pytest.param({"servers": 10}, {"servers": 20}, 400, 5_000, id="servers doubled"),
        pytest.param({"servers": 20}, {"servers": 5}, 100, 8_000, id="servers gone"),
        pytest.param({}, {"servers": 10}, 200, 8_000, id="a queue out of nowhere"),
        pytest.param({}, {"latency_ms": 200.0}, 640, 5_000, id="much slower"),
        pytest.param({}, {"latency_ms": 90.0}, 1_422, 5_000, id="somewhat slower"),
        pytest.param({"latency_ms": 200.0}, {"latency_ms": 20.0}, 6_400, 5_000, id="quicker"),
        pytest.param({"capacity": 50, "failing": 1.0}, {"failing": 0.0}, 1_000, 6_000, id="an outage has ended"),
    ],
)
@pytest.mark.parametrize("drains", [2, 8])
def test_an_upstream_that_has_changed_is_learned_again(
    before: dict[str, Any], change: dict[str, Any], per_s: int, within_ms: int, drains: int
) -> None:
    upstream = Upstream(**before)
    simulation = Simulation(upstream, drains, maximum=256 if change.get("capacity") else 128)
    simulation.run(30_000)
    for name, value in change.items():
        setattr(upstream, name, value)
    simulation.run(30_000 + within_ms + 10_000)
    passed = simulation.passed(30_000 + within_ms, 40_000 + within_ms)
    assert passed.per_s >= 0.93 * per_s
    assert passed.pushed_back <= 0.01
    assert passed.rtt_ms <= 2.2 * upstream.latency_ms


def test_little_demand_teaches_little_and_much_is_learned_when_it_comes() -> None:
    simulation = Simulation(Upstream(capacity=50), 2, demand=lambda now_ms: 1 if now_ms < 30_000 else ENDLESS)
    simulation.run(30_000)
    assert simulation.limits[-1][1] <= 4
    simulation.run(45_000)
    assert simulation.passed(35_000, 45_000).per_s >= 0.95 * 1_000


def test_a_drain_with_little_to_do_leaves_its_share_to_the_busy_one() -> None:
    simulation = Simulation(Upstream(capacity=10), 1)
    simulation.join("small", lambda now_ms: int(now_ms % 1_000 < 100))
    simulation.run(60_000)
    assert simulation.passed(10_000, 60_000).per_s >= 0.95 * 200


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drains_that_join_leave_and_die_never_exceed_the_limit_together(seed: int) -> None:
    simulation = Simulation(Upstream(), 2, maximum=20, seed=seed)
    simulation.run(5_000)
    for number in range(12):
        simulation.run(simulation.now_ms + simulation.random.uniform(100, 3_000))
        alive = [drain for drain in simulation.drains if drain.alive]
        if len(alive) > 1 and number % 2:
            leaving = simulation.random.choice(alive)
            leaving.die() if number % 4 == 1 else leaving.leave()
        else:
            simulation.join(f"joined-{number}")
    assert simulation.trespasses == 0
    assert simulation.passed(5_000, simulation.now_ms).per_s >= 0.7 * 400


@pytest.mark.parametrize(("failing", "share"), [(0.003, 0.97), (0.01, 0.75)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_few_errors_that_no_load_has_caused_cost_little(failing: float, share: float, seed: int) -> None:
    simulation = Simulation(Upstream(capacity=50, failing=failing), 2, seed=seed)
    simulation.run(60_000)
    assert simulation.passed(10_000, 60_000).per_s >= share * 1_000


def test_the_steps_of_a_simulation_can_be_told_one_by_one() -> None:
    """One drain, ten requests at once: 16 is too much, and so is 11, which is tried again later."""
    simulation = Simulation(Upstream(capacity=10), 1)
    simulation.run(25_000)
    values = [value for _, value in simulation.limits]
    assert values == [1, 2, 4, 8, 16, 8, 9, 10, 11, 10, 11, 10, 11, 10]
    tries_ms = [at_ms for at_ms, value in simulation.limits if value == 11]
    gaps_ms = [later - sooner for sooner, later in pairwise(tries_ms)]
    assert gaps_ms == [pytest.approx(PROBE_FIRST_MS, abs=400), pytest.approx(2 * PROBE_FIRST_MS, abs=400)]
