"""What round trips tell of the limit of requests in flight: growth, rest, and whose queue it is."""

import pytest
from hypothesis import given
from msgspec.structs import replace

from forwarder.queue.flow import Limit, Window
from tests.support.limits import CALM, LIMITS, MAXIMUM, NOW_MS, RESTING, TIMES_MS, WINDOWS, after, pushed, untaught
from workers.concurrency import (
    REST_EVERY_MS,
    decide,
)


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
