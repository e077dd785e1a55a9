import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.queue.flow import Limit, Window
from tests.support.limits import CALM, LIMITS, MAXIMUM, NOW_MS, RESTING, TIMES_MS, WINDOWS, after, pushed, seen
from workers.concurrency import (
    PROBE_FIRST_MS,
    PROBE_LAST_MS,
    ROUND_MIN_MS,
    decide,
    due,
    resumed,
)

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
