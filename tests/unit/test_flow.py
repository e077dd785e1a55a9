from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.flow import Flow, Limit, Opening, Window, decode, encode
from workers.breaker import RUN_MAX, Pauses, Seen
from workers.flow import SILENT_AFTER_MS, TURN_MS, Load, Policy, Report, advance, share, without
from workers.sizing import Extent

POLICY = Policy(most=128, fixed=None, pauses=Pauses(1_000, 60_000))
FAILED = Seen(failed=RUN_MAX, trailing=RUN_MAX, failure="HTTP 503")


def told(flow: Flow, token: str = "a", now_ms: int = 1_000, policy: Policy = POLICY, **fields: Any) -> Flow:  # noqa: ANN401 - of Load, Seen or Report
    """The state after a report that says this."""
    return after(flow, token, now_ms, policy, **fields)[0]


def after(
    flow: Flow,
    token: str = "a",
    now_ms: int = 1_000,
    policy: Policy = POLICY,
    *,
    paused: bool = False,
    **fields: Any,  # noqa: ANN401 - the same
) -> tuple[Flow, Opening | None]:
    seen = fields.pop("seen", Seen())
    sizes = {name: fields.pop(name) for name in ("refused", "fitted") if name in fields}
    report = Report(seen, Load(**{"epoch": flow.limit.epoch, "wants": 50, **fields}), **sizes)
    return advance(flow, token, report, now_ms, policy, paused=paused, chance=0.0)


def shares(flow: Flow) -> dict[str, int]:
    return {token: share(flow, token) for token in flow.members}


def test_who_reports_takes_part_until_it_is_silent_or_leaves() -> None:
    flow = told(told(Flow(), "a", 0), "b", 1_000)
    assert set(flow.members) == {"a", "b"}
    assert set(told(flow, "b", SILENT_AFTER_MS).members) == {"b"}
    assert set(without(flow, "a").members) == {"b"}
    assert without(flow, "nobody") == flow


def test_one_that_is_alone_has_the_whole_limit() -> None:
    assert shares(told(Flow(limit=Limit(value=9)))) == {"a": 9}


def test_a_drain_that_joins_waits_until_the_others_have_made_room() -> None:
    flow = told(told(Flow(limit=Limit(value=9)), "a"), "b")
    assert share(flow, "b") == 0
    flow = told(flow, "a", 1_200, in_flight=7)
    assert flow.members["a"].held == 7, "more than its share is still in flight"
    assert share(told(flow, "b", 1_300), "b") == 2
    flow = told(told(told(flow, "a", 1_400), "b", 1_500), "a", 1_600)
    assert sorted(shares(flow).values()) == [4, 5]


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 60), st.integers(0, 900)), max_size=40),
)
def test_all_together_never_hold_more_than_the_limit_while_it_stays(
    value: int, reports: list[tuple[str, int, int]]
) -> None:
    flow, now_ms = Flow(limit=Limit(value=value)), 0
    policy = Policy(most=128, fixed=value, pauses=POLICY.pauses)
    in_flight: dict[str, int] = {}
    for token, wants, later_ms in reports:
        now_ms += later_ms
        flow = told(flow, token, now_ms, policy, wants=wants, in_flight=in_flight.get(token, 0))
        in_flight[token] = min(wants, share(flow, token))
        in_flight = {one: count for one, count in in_flight.items() if one in flow.members}
        assert sum(in_flight.values()) <= value


def test_a_single_request_goes_round_among_many_drains() -> None:
    flow, lucky = Flow(limit=Limit(value=1)), []
    for now_ms in range(0, 6 * TURN_MS, TURN_MS // 5):
        for token in "abcabc":
            flow = told(flow, token, now_ms)
        lucky.append({token for token, part in shares(flow).items() if part})
    assert all(len(each) == 1 for each in lucky)
    assert set().union(*lucky) == {"a", "b", "c"}


def test_failures_in_a_row_pause_the_destination_whoever_saw_them() -> None:
    flow, opening = after(Flow(), "a", seen=Seen(failed=3, trailing=3, failure="HTTP 500"))
    assert opening is None
    flow, opening = after(flow, "b", seen=Seen(failed=2, trailing=2, failure="HTTP 503"))
    assert flow.breaker.open
    assert opening
    assert opening.kind == "upstream"


def test_the_probe_goes_to_the_first_that_could_send_it_once_the_pause_is_over() -> None:
    flow, _ = after(Flow(), "a", seen=FAILED)
    waiting = Seen(waiting=True)
    assert told(flow, "b", seen=waiting, paused=True).breaker.prober == ""
    flow = told(told(flow, "a"), "b", seen=waiting)
    assert flow.breaker.prober == "b"
    assert told(flow, "a", seen=waiting).breaker.prober == "b"
    assert without(flow, "b").breaker.prober == ""
    assert told(flow, "a", 1_000 + SILENT_AFTER_MS, seen=waiting).breaker.prober == "a", "b has died"


def test_after_an_outage_the_flow_begins_slowly_with_what_it_knows() -> None:
    flow, _ = after(Flow(limit=Limit(value=40, slow_start=False, proven=40, epoch=7)), "a", seen=FAILED)
    flow, opening = after(flow, "a", 5_000, seen=Seen(good=1, probe=True))
    assert opening is None
    assert not flow.breaker.open
    assert (flow.limit.value, flow.limit.slow_start, flow.limit.proven, flow.limit.epoch) == (10, True, 40, 8)


def test_what_was_sent_in_an_older_epoch_says_nothing_of_the_limit() -> None:
    flow = Flow(limit=Limit(value=8, epoch=3))
    assert told(flow, epoch=2, pushed_back=9, answered=9, peak=9).window == Window(silent=1)
    assert told(flow, epoch=3, pushed_back=9, peak=8).limit.value == 6


def test_the_limit_grows_when_the_whole_fleet_has_used_it() -> None:
    flow = told(told(Flow(limit=Limit(value=8, proven=4)), "a", 0), "b", 100)
    busy: Any = {"answered": 20, "rtt_ms": 1_000.0, "rtt_ms2": 50_000.0}
    flow = told(flow, "a", 200, peak=5, **busy)
    assert flow.limit.value == 8, "five are not eight"
    flow = told(flow, "a", 300, peak=5, **busy)
    assert (flow.limit.value, flow.window.silent) == (8, 1), "the other drain has not told since"
    grown = told(flow, "b", 400, peak=3, **busy)
    assert grown.limit.value == 16
    assert grown.window == Window()
    assert {member.peak for member in grown.members.values()} == {-1}


@pytest.mark.parametrize("value", [1, 5, 300])
def test_a_fixed_number_is_not_adapted(value: int) -> None:
    policy = Policy(most=128, fixed=value, pauses=POLICY.pauses)
    flow = told(Flow(limit=Limit(value=17)), policy=policy, pushed_back=50, peak=17)
    assert flow.limit.value == value
    assert shares(flow) == {"a": value}


def test_a_bound_that_is_lowered_holds_at_once() -> None:
    lower = Policy(most=4, fixed=None, pauses=POLICY.pauses)
    assert told(Flow(limit=Limit(value=100)), policy=lower).limit.value == 4


def test_what_fits_is_learned_with_the_rest() -> None:
    assert told(Flow(), refused=Extent(500, 60_000)).size.events == 250


def test_the_state_survives_the_way_through_redis() -> None:
    flow = told(told(Flow(), "a", seen=FAILED, refused=Extent(500, 60_000)), "b", answered=3, rtt_ms=1.5, peak=2)
    assert decode(encode(flow)) == flow
    assert decode(b"") == Flow()
