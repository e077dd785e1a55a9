"""Which faults befall a request: pure, with the time and the seed handed in."""

import json
from typing import Any

import msgspec
import pytest

from forwarder.answers import Refused, success_reply
from forwarder.feedback import Members
from forwarder.sandbox.fault import Fault, Seen
from forwarder.sandbox.plan import Lot, Plan, parse_fault, parse_faults

ONE = Members(b'{"trace_id":"t","value":1}', 1)
TAKEN = Seen(size=100, members=ONE)
REFUSED = Seen(size=100, members=None)


def fault(**fields: Any) -> Fault:  # noqa: ANN401 - any JSON
    return parse_fault(json.dumps(fields).encode())


def plan_of(*faults: dict[str, Any], seed: int = 0) -> Plan:
    plan = Plan(seed)
    plan.replace(parse_faults(json.dumps(faults).encode()), now=0)
    return plan


def seen(*events: dict[str, Any]) -> Seen:
    return Seen(members=Members(json.dumps(events).encode()[1:-1], len(events)))


def kinds(plan: Plan, requests: int, look: Seen = TAKEN) -> list[str | None]:
    return [plan.draw(look, now=0).name for _ in range(requests)]


def test_without_faults_nothing_befalls_a_request() -> None:
    assert Plan().draw(TAKEN, now=0) == Lot(0, None, None)


def test_a_count_is_spent_and_the_next_fault_takes_over() -> None:
    plan = plan_of({"kind": "reset", "count": 2}, {"kind": "status", "status": 500, "count": 1})
    assert kinds(plan, 4) == ["reset", "reset", "status", None]
    assert [(f["applied"], f["over"]) for f in plan.describe(now=0)["faults"]] == [(2, True), (1, True)]


def test_a_fault_is_over_when_its_time_is() -> None:
    plan = plan_of({"kind": "reset", "for_s": 10})
    assert [plan.draw(TAKEN, now).name for now in (0, 9.9, 10, 11)] == ["reset", "reset", None, None]


def test_a_share_strikes_about_as_many_and_the_same_ones_for_the_same_seed() -> None:
    half = {"kind": "reset", "share": 0.5}
    first, again, other = (kinds(plan_of(half, seed=seed), 1000) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 400 < first.count("reset") < 600


@pytest.mark.parametrize(("share", "expected"), [(0, [None] * 50), (1, ["reset"] * 50)])
def test_the_ends_of_the_share_are_never_and_always(share: float, expected: list[str | None]) -> None:
    assert kinds(plan_of({"kind": "reset", "share": share}), 50) == expected


def test_what_a_fault_strikes_does_not_depend_on_the_others() -> None:
    half, spent = {"kind": "latency", "ms": 1, "share": 0.5}, {"kind": "reset", "count": 3, "share": 0.7}
    alone = [name is not None for name in kinds(plan_of(half), 100)]
    accompanied = ["latency" in (name or "") for name in kinds(plan_of(half, spent), 100)]
    assert alone == accompanied


def test_two_faults_with_one_share_do_not_always_strike_together() -> None:
    plan = plan_of({"kind": "latency", "ms": 1, "share": 0.5}, {"kind": "latency", "ms": 2, "share": 0.5})
    assert set(kinds(plan, 100)) == {None, "latency", "latency+latency"}


def test_latencies_add_up_and_come_with_another_fault() -> None:
    plan = plan_of({"kind": "latency", "ms": 20}, {"kind": "garbage"}, {"kind": "latency", "ms": 5}, {"kind": "reset"})
    lot = plan.draw(TAKEN, now=0)
    assert lot.delay_s == pytest.approx(0.025)
    assert lot.name == "latency+garbage+latency"
    assert lot.fault is not None
    assert lot.fault.kind == "garbage"


def test_jitter_stays_within_its_bounds_and_varies() -> None:
    plan = plan_of({"kind": "latency", "ms": 10, "jitter_ms": 20})
    delays = {plan.draw(TAKEN, now=0).delay_s for _ in range(200)}
    assert len(delays) > 100
    assert 0.010 <= min(delays) < 0.013
    assert 0.027 < max(delays) <= 0.030


def test_a_fault_that_does_not_strike_is_not_counted() -> None:
    plan = plan_of({"kind": "refuse", "field": "value", "equals": 9, "count": 1})
    assert kinds(plan, 3, seen({"trace_id": "t", "value": 1})) == [None] * 3
    assert plan.describe(now=0)["faults"][0]["applied"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "failure"},
        {"kind": "short_ids"},
        {"kind": "reset", "when": "after"},
        {"kind": "garbage", "when": "after"},
        {"kind": "hang", "when": "after"},
        {"kind": "status", "status": 500, "when": "after"},
        {"kind": "refuse", "contains": "t"},
        {"kind": "max_events", "limit": 0},
    ],
)
def test_faults_about_stored_events_spare_requests_that_the_api_refuses(fields: dict[str, Any]) -> None:
    assert fault(**fields).fits(TAKEN)
    assert not fault(**fields).fits(REFUSED)


@pytest.mark.parametrize("kind", ["reset", "garbage", "hang"])
def test_an_outage_befalls_refused_requests_too(kind: str) -> None:
    assert fault(kind=kind).fits(REFUSED)


@pytest.mark.parametrize(
    ("fields", "look", "expected"),
    [
        ({"kind": "capacity", "limit": 2}, Seen(in_flight=2), False),
        ({"kind": "capacity", "limit": 2}, Seen(in_flight=3), True),
        ({"kind": "max_bytes", "limit": 9}, Seen(size=9), False),
        ({"kind": "max_bytes", "limit": 9}, Seen(size=10), True),
        ({"kind": "max_events", "limit": 1}, seen({"value": 1}), False),
        ({"kind": "max_events", "limit": 1}, seen({"value": 1}, {"value": 1}), True),
    ],
)
def test_limits_are_the_most_that_is_taken(fields: dict[str, Any], look: Seen, *, expected: bool) -> None:
    assert fault(**fields).fits(look) is expected


@pytest.mark.parametrize(
    ("condition", "event", "expected"),
    [
        ({"field": "value", "equals": 1}, {"value": 1}, True),
        ({"field": "value", "equals": 1}, {"value": -1}, False),
        ({"field": "value", "equals": True}, {"value": 1}, False),
        ({"field": "metadata.flag", "equals": 1}, {"metadata": {"flag": True}}, False),
        ({"field": "metadata._user", "equals": "u1"}, {"metadata": {"_user": "u1"}}, True),
        ({"field": "metadata._user", "equals": None}, {"metadata": {"_user": None}}, True),
        ({"field": "metadata._user", "equals": None}, {"metadata": {}}, False),
        ({"field": "metadata._user", "equals": "u1"}, {"metadata": "u1"}, False),
        ({"field": "metadata", "equals": {"a": [1]}}, {"metadata": {"a": [1]}}, True),
        ({"contains": "bad"}, {"trace_id": "a-bad-one"}, True),
        ({"contains": "bad"}, {"trace_id": "good"}, False),
        ({"field": "value", "contains": "1"}, {"value": 1}, False),
        ({"field": "text", "contains": "é"}, {"text": "café"}, True),
    ],
)
def test_refuse_looks_into_the_events(condition: dict[str, Any], event: dict[str, Any], *, expected: bool) -> None:
    assert fault(kind="refuse", **condition).fits(seen({"trace_id": "-", "other": 0}, event)) is expected


@pytest.mark.parametrize(("named", "param"), [(True, "[1].value"), (False, None)])
def test_refuse_names_the_event_unless_asked_not_to(*, named: bool, param: str | None) -> None:
    refusal = fault(kind="refuse", field="value", equals=7, status=422, name_index=named)
    reply = refusal.reply(seen({"value": 1}, {"value": 7}, {"value": 7}), None)
    assert reply is not None
    assert reply.status == 422
    error = msgspec.json.decode(reply.body)["error"]
    assert error["param"] == param
    assert ("[1]" in error["message"]) is named


@pytest.mark.parametrize(("missing", "left"), [(1, ["a", "b"]), (2, ["a"]), (5, [])])
def test_short_ids_leaves_out_the_last_ids(missing: int, left: list[str]) -> None:
    reply = fault(kind="short_ids", missing=missing).reply(TAKEN, success_reply("saved", ["a", "b", "c"]))
    assert reply is not None
    assert msgspec.json.decode(reply.body)["feedback_ids"] == left


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"kind": "nope"}, 422, "kind"),
        ({}, 422, "kind"),
        ({"kind": "status"}, 422, "status"),
        ({"kind": "status", "status": 199}, 422, "status"),
        ({"kind": "status", "status": 600}, 422, "status"),
        ({"kind": "status", "status": "500"}, 422, "status"),
        ({"kind": "status", "status": 500, "retry_after": -1}, 422, "retry_after"),
        ({"kind": "status", "status": 500, "retry_after": "1\r\nX: y"}, 422, "retry_after"),
        ({"kind": "status", "status": 301, "location": "/\n"}, 422, "location"),
        ({"kind": "reset", "when": "later"}, 422, "when"),
        ({"kind": "reset", "share": 1.1}, 422, "share"),
        ({"kind": "reset", "share": -0.1}, 422, "share"),
        ({"kind": "reset", "count": 0}, 422, "count"),
        ({"kind": "reset", "for_s": 0}, 422, "for_s"),
        ({"kind": "reset", "seconds": 1}, 422, "seconds"),
        ({"kind": "hang", "seconds": 86_401}, 422, "seconds"),
        ({"kind": "latency"}, 422, "ms"),
        ({"kind": "latency", "ms": 600_001}, 422, "ms"),
        ({"kind": "short_ids", "missing": 0}, 422, "missing"),
        ({"kind": "capacity", "limit": -1}, 422, "limit"),
        ({"kind": "refuse", "contains": ""}, 422, "contains"),
        ({"kind": "refuse", "contains": "a", "status": 200}, 422, "status"),
        ({"kind": "refuse"}, 422, None),
        ({"kind": "refuse", "equals": None, "contains": "a"}, 422, None),
    ],
)
def test_a_wrong_definition_names_its_field(fields: dict[str, Any], status: int, param: str | None) -> None:
    with pytest.raises(Refused) as one:
        fault(**fields)
    assert one.value.reply.status == status
    assert msgspec.json.decode(one.value.reply.body)["error"]["param"] == param
    with pytest.raises(Refused) as second:
        parse_faults(json.dumps([{"kind": "reset"}, fields]).encode())
    place = msgspec.json.decode(second.value.reply.body)["error"]["param"]
    assert place == (f"[1].{param}" if param else "[1]")


def test_what_is_not_json_is_a_bad_request() -> None:
    with pytest.raises(Refused) as error:
        parse_faults(b"[{]")
    assert error.value.reply.status == 400
