"""Every fault of the sandbox: how it is put in force, whom it strikes, and when it ends."""

import time
from typing import Any

import httpx
import pytest

from tests.support.sandbox import Sandbox
from tests.support.sandbox_requests import GOOD, error_of, raw_request, until


def test_faults_are_switched_over_http(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "status", "status": 500, "count": 1}, seed=7)
    sandbox.add_fault({"kind": "status", "status": 503, "count": 1})
    assert [api.post("/feedback", json=GOOD).status_code for _ in range(3)] == [500, 503, 200]
    assert sandbox.ask("GET", "/sandbox/faults") == {
        "seed": 7,
        "faults": [
            {"kind": "status", "status": 500, "count": 1, "applied": 1, "over": True},
            {"kind": "status", "status": 503, "count": 1, "applied": 1, "over": True},
        ],
    }
    sandbox.set_faults({"kind": "status", "status": 502})
    assert api.post("/feedback", json=GOOD).status_code == 502
    sandbox.clear_faults()
    assert api.post("/feedback", json=GOOD).status_code == 200
    assert [request["fault"] for request in sandbox.requests()] == [None, "status", None, "status", "status"]
    assert sandbox.times_arrived() == {"t": 2}


def test_wrong_faults_change_nothing(sandbox: Sandbox) -> None:
    sandbox.set_faults({"kind": "reset", "count": 3})
    before = sandbox.faults()
    wrong = sandbox.http.put("/sandbox/faults", json=[{"kind": "reset"}, {"kind": "latency", "ms": -1}])
    assert (wrong.status_code, error_of(wrong)["param"]) == (422, "[1].ms")
    wrong = sandbox.http.post("/sandbox/faults", json={"kind": "status", "status": 500, "sahre": 1})
    assert (wrong.status_code, error_of(wrong)["param"]) == (422, "sahre")
    assert sandbox.http.post("/sandbox/faults", json=[]).status_code == 422
    assert sandbox.http.put("/sandbox/faults", content=b"nonsense").status_code == 400
    assert sandbox.http.put("/sandbox/faults?seed=-1", json=[]).status_code == 400
    assert sandbox.faults() == before


def test_only_posts_and_puts_of_feedback_are_faulted(sandbox: Sandbox, api: httpx.Client) -> None:
    (feedback_id,) = api.post("/feedback", json=GOOD).json()["feedback_ids"]
    sandbox.set_faults({"kind": "status", "status": 500})
    assert api.post("/feedback", json=GOOD).status_code == 500
    assert api.put(f"/feedback/{feedback_id}", json={"value": 2}).status_code == 500
    assert api.get("/feedback/summary", params={"group_by": "trace"}).json()["groups"][0]["weighted_mean"] == 1
    assert sandbox.ask("GET", "/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    ("fields", "headers", "body"),
    [
        ({"status": 429, "retry_after": 2}, {"Retry-After": "2"}, None),
        ({"status": 503, "retry_after": 0.5}, {"Retry-After": "0.5"}, None),
        (
            {"status": 503, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"},
            {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"},
            None,
        ),
        ({"status": 307, "location": "http://other/"}, {"Location": "http://other/"}, None),
        ({"status": 500, "body": "boom"}, {"Content-Type": "text/plain"}, b"boom"),
        ({"status": 200, "body": {"ok": True}}, {"Content-Type": "application/json"}, b'{"ok":true}'),
        ({"status": 500, "body": None}, {}, b"null"),
        ({"status": 204}, {}, b""),
        ({"status": 304}, {}, b""),
    ],
)
def test_a_status(
    sandbox: Sandbox, api: httpx.Client, fields: dict[str, Any], headers: dict[str, str], body: bytes | None
) -> None:
    sandbox.set_faults({"kind": "status", "count": 1, **fields})
    response = api.post("/feedback", json=GOOD)
    assert response.status_code == fields["status"]
    assert {name: response.headers[name] for name in headers} == headers
    if body is None:
        assert error_of(response)["message"]
    else:
        assert response.content == body
    assert sandbox.counts()["events"] == 0
    assert sandbox.requests()[0]["status"] == fields["status"]
    assert api.post("/feedback", json=GOOD).status_code == 200


@pytest.mark.parametrize(("when", "stored"), [("before", 0), ("after", 1)])
def test_when_a_fault_strikes(sandbox: Sandbox, api: httpx.Client, when: str, stored: int) -> None:
    sandbox.set_faults({"kind": "status", "status": 500, "when": when})
    assert api.post("/feedback", json=GOOD).status_code == 500
    sandbox.set_faults({"kind": "garbage", "when": when})
    response = api.post("/feedback", json=GOOD)
    assert response.status_code == 200
    assert response.text.startswith("<html>")
    sandbox.set_faults({"kind": "hang", "seconds": 0.01, "when": when})
    assert api.post("/feedback", json=GOOD).status_code == (200 if stored else 504)
    sandbox.set_faults({"kind": "reset", "when": when})
    with pytest.raises(httpx.TransportError):
        api.post("/feedback", json=GOOD)
    assert sandbox.times_arrived() == ({"t": 4} if stored else {})
    statuses = [None, 200 if stored else 504, 200, 500]
    assert [request["status"] for request in sandbox.requests()] == statuses
    assert [request["fault"] for request in sandbox.requests()] == ["reset", "hang", "garbage", "status"]


def test_a_fault_after_storing_spares_a_bad_request(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "reset", "when": "after"}, {"kind": "failure"}, {"kind": "short_ids"})
    assert api.post("/feedback", content=b"{").status_code == 400
    assert [fault["applied"] for fault in sandbox.faults()] == [0, 0, 0]


def test_a_reset_is_a_reset(sandbox: Sandbox) -> None:
    sandbox.set_faults({"kind": "reset"})
    with raw_request(sandbox) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_a_hang_gives_no_answer(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "hang"})
    with pytest.raises(httpx.ReadTimeout):
        api.post("/feedback", json=GOOD, timeout=0.2)
    (request,) = sandbox.requests()
    assert (request["fault"], request["status"], request["events"]) == ("hang", None, 0)


@pytest.mark.parametrize("body", [None, "", '{"status": "succ'])
def test_garbage_is_as_asked_for(sandbox: Sandbox, api: httpx.Client, body: str | None) -> None:
    sandbox.set_faults({"kind": "garbage"} | ({} if body is None else {"body": body}))
    response = api.post("/feedback", json=GOOD)
    assert response.status_code == 200
    assert response.text == body if body is not None else "not the Feedback API" in response.text


def test_a_failure_is_a_200_that_stores_nothing(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "failure", "message": "no"})
    response = api.post("/feedback", json=GOOD)
    assert response.status_code == 200
    assert response.json() == {"status": "failure", "message": "no", "feedback_ids": []}
    assert sandbox.counts()["events"] == 0


def test_short_ids_stores_everything(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "short_ids", "missing": 2})
    assert len(api.post("/feedback", json=[GOOD] * 3).json()["feedback_ids"]) == 1
    assert sandbox.times_arrived() == {"t": 3}


def test_latency_comes_before_normal_handling_and_before_other_faults(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "latency", "ms": 80, "jitter_ms": 1}, {"kind": "status", "status": 500, "count": 1})
    for status, name in [(500, "latency+status"), (200, "latency")]:
        started = time.perf_counter()
        assert api.post("/feedback", json=GOOD).status_code == status
        assert time.perf_counter() - started >= 0.08
        assert sandbox.requests(1)[0]["fault"] == name


def test_refuse_singles_out_events(sandbox: Sandbox, api: httpx.Client) -> None:
    bad = {"trace_id": "poison-1", "value": 3, "metadata": {"_user": "u"}}
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"contains": "poison"}, "[1].trace_id"),
        ({"field": "value", "equals": 3, "status": 422}, "[1].value"),
        ({"field": "metadata._user", "equals": "u", "status": 409}, "[1].metadata._user"),
        ({"field": "value", "equals": 3, "name_index": False}, None),
    ]
    for condition, param in cases:
        sandbox.set_faults({"kind": "refuse", **condition})
        refused = api.post("/feedback", json=[GOOD, bad])
        assert (refused.status_code, error_of(refused)["param"]) == (condition.get("status", 400), param)
        assert api.post("/feedback", json=[GOOD]).status_code == 200
    assert sandbox.times_arrived() == {"t": 4}


@pytest.mark.parametrize("kind", ["max_events", "max_bytes"])
def test_sizes_can_be_limited_later(sandbox: Sandbox, api: httpx.Client, kind: str) -> None:
    two = [GOOD, GOOD]
    limit = 2 if kind == "max_events" else len(httpx.Request("POST", "http://x", json=two).content)
    sandbox.set_faults({"kind": kind, "limit": limit})
    assert api.post("/feedback", json=two).status_code == 200
    large = api.post("/feedback", json=[GOOD] * 3)
    assert (large.status_code, error_of(large)["code"]) == (413, "too_large")
    assert sandbox.times_arrived() == {"t": 2}


def test_capacity_counts_requests_in_flight_until_their_client_leaves(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "hang", "count": 1}, {"kind": "capacity", "limit": 1, "retry_after": 3})
    with raw_request(sandbox):
        until(lambda: len(sandbox.requests()) == 1)
        response = api.post("/feedback", json=GOOD)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
        assert error_of(response)["type"] == "rate_limit_error"
    until(lambda: api.post("/feedback", json=GOOD).status_code == 200)
    assert sandbox.times_arrived() == {"t": 1}


def test_a_share_of_the_requests_is_repeatable(sandbox: Sandbox, api: httpx.Client) -> None:
    runs = []
    for _ in range(2):
        sandbox.set_faults({"kind": "status", "status": 500, "share": 0.3}, seed=3)
        runs.append([api.post("/feedback", json=GOOD).status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert 5 < runs[0].count(500) < 35


def test_a_fault_ends_with_its_time(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set_faults({"kind": "status", "status": 500, "for_s": 0.2})
    assert api.post("/feedback", json=GOOD).status_code == 500
    until(lambda: api.post("/feedback", json=GOOD).status_code == 200)
    assert sandbox.faults()[0]["over"] is True
