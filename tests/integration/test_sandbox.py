"""The sandbox as a real process, over real sockets: every route, every fault, every kind of bad input."""

import gzip
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.sandbox import ROOT, Sandbox

PATIENCE_S = 20
GOOD = {"trace_id": "t", "value": 1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.set_faults(seed=0)
    shared.set_keys(["sandbox"])
    shared.empty()
    return shared


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with api_of(sandbox) as client:
        yield client


def api_of(sandbox: Sandbox) -> httpx.Client:
    headers = {"x-portkey-api-key": "sandbox"}
    return httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False, timeout=PATIENCE_S)


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again; every condition here is a round trip to another process."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"


def error_of(response: httpx.Response) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return dict(error)


def raw_request(sandbox: Sandbox, body: bytes = json.dumps(GOOD).encode()) -> socket.socket:
    """A request whose connection is in our hands."""
    connection = socket.create_connection(sandbox.address, timeout=PATIENCE_S)
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nx-portkey-api-key: sandbox\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


# ---- the API


@pytest.mark.parametrize("path", ["/feedback", "/feedback/"])
@pytest.mark.parametrize("body", [GOOD, [GOOD], [GOOD, {"trace_id": "u", "value": -1}]])
def test_feedback_is_taken_on_both_paths(sandbox: Sandbox, api: httpx.Client, path: str, body: object) -> None:
    response = api.post(path, json=body)
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "success"
    assert answer["message"]
    assert len(answer["feedback_ids"]) == (len(body) if isinstance(body, list) else 1)
    (request,) = sandbox.requests()
    assert (request["method"], request["path"], request["status"]) == ("POST", f"/v1{path}", 200)
    assert request["bytes"] == len(response.request.content)


def test_what_arrived_is_told_event_by_event(sandbox: Sandbox, api: httpx.Client) -> None:
    before = time.time()
    sent = [{"trace_id": name, "value": 1, "text": "é", "metadata": {"k": [1, None]}} for name in ("b", "a", "b")]
    ids = api.post("/feedback/", json=sent, headers={"Idempotency-Key": "k1"}).json()["feedback_ids"]
    again = api.post("/feedback/", json=sent[:1]).json()["feedback_ids"]
    assert sandbox.times_arrived() == {"a": 1, "b": 3}
    assert sandbox.counts() == {
        "requests": 2,
        "batches": 2,
        "events": 4,
        "distinct_trace_ids": 2,
        "duplicates": 2,
    }
    a, b = sandbox.arrivals()
    assert (a["trace_id"], a["times"], b["trace_id"], b["times"]) == ("a", 1, "b", 3)
    assert [one["feedback_id"] for one in b["arrivals"]] == [ids[0], ids[2], again[0]]
    assert [one["position"] for one in b["arrivals"]] == [0, 2, 0]
    assert [one["idempotency_key"] for one in b["arrivals"]] == ["k1", "k1", None]
    second, first = (request["number"] for request in sandbox.requests())
    assert [one["batch"] for one in b["arrivals"]] == [first, first, second]
    assert a["arrivals"][0]["event"] == sent[1]
    assert before <= a["arrivals"][0]["at"] <= time.time()


def test_arrivals_can_be_chosen_and_paged(sandbox: Sandbox, api: httpx.Client) -> None:
    api.post("/feedback", json=[{"trace_id": name, "value": 1} for name in ("x-2", "x-1", "y-1", "x-3")])

    def names(**query: str | int) -> list[str]:
        return [trace["trace_id"] for trace in sandbox.arrivals(**query)]

    assert names(trace_id="y-1") == ["y-1"]
    assert names(trace_id="none") == []
    assert names(prefix="x-") == ["x-1", "x-2", "x-3"]
    assert names(prefix="x-", limit=2) == ["x-1", "x-2"]
    assert names(prefix="x-", limit=2, after="x-2") == ["x-3"]
    page = sandbox.ask("GET", "/sandbox/arrivals", params={"limit": 3})
    assert page["next"] == "x-3"
    assert sandbox.ask("GET", "/sandbox/arrivals", params={"after": page["next"], "limit": 3})["next"] is None
    assert sandbox.times_arrived("x-") == {"x-1": 1, "x-2": 1, "x-3": 1}
    assert sandbox.times_arrived("z") == {}


def test_times_arrived_is_whole_when_it_takes_several_chunks(sandbox: Sandbox, api: httpx.Client) -> None:
    sent = [{"trace_id": f'"{number}"é', "value": 1} for number in range(25_000)]
    assert api.post("/feedback", json=sent).status_code == 200
    assert sandbox.times_arrived() == {event["trace_id"]: 1 for event in sent}


def test_what_arrived_can_be_forgotten(sandbox: Sandbox, api: httpx.Client) -> None:
    api.post("/feedback", json=GOOD)
    sandbox.empty()
    assert set(sandbox.counts().values()) == {0}
    assert (sandbox.times_arrived(), sandbox.arrivals(), sandbox.requests()) == ({}, [], [])


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"", None, "is not JSON"),
        (b"{", None, "is not JSON"),
        (b"\xff\xfe", None, "is not JSON"),
        (b"[]", None, "empty array"),
        (b"1", None, "must be an object"),
        (b'{"0":{"trace_id":"t","value":1}}', "0", "is not a known field"),
        (b'{"trace_id":"t"}', "value", "is required"),
        (
            b'[{"trace_id":"t","value":1},{"trace_id":"","value":1}]',
            "[1].trace_id",
            "[1].trace_id: must be a non-empty",
        ),
        (b'[{"trace_id":"t","value":1},{"trace_id":"t","value":true}]', "[1].value", "must be an integer"),
        (b'[{"trace_id":"t","value":1},{"trace_id":"t","value":11}]', "[1].value", "got 11"),
        (b'[{"trace_id":"t","value":1,"weight":1.5}]', "[0].weight", "from 0 to 1"),
        (b'[{"trace_id":"t","value":1,"text":5}]', "[0].text", "must be a string"),
        (b'[{"trace_id":"t","value":1,"metadata":[]}]', "[0].metadata", "must be an object"),
        (b'[{"trace_id":"t","value":1,"user":"u"}]', "[0].user", "is not a known field"),
        (b'[{"trace_id":"t","value":1},null]', "[1]", "must be an object"),
        (b'{"trace_id":"' + b"t" * 513 + b'","value":1}', "trace_id", "at most 512"),
    ],
)
def test_a_bad_body_is_refused_whole(
    sandbox: Sandbox, api: httpx.Client, body: bytes, param: str | None, said: str
) -> None:
    response = api.post("/feedback/", content=body)
    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert said in error["message"]
    assert sandbox.counts()["events"] == 0
    assert sandbox.requests()[0]["status"] == 400


def test_canonical_and_other_spellings_are_taken(sandbox: Sandbox, api: httpx.Client) -> None:
    assert api.post("/feedback", content=b' [ {"trace_id":"t","value":5.0,"weight":null} ] ').status_code == 200
    assert sandbox.arrivals()[0]["arrivals"][0]["event"] == {"trace_id": "t", "value": 5}


def test_compressed_bodies_are_taken_and_broken_ones_refused(sandbox: Sandbox, api: httpx.Client) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert api.post("/feedback", content=gzip.compress(json.dumps(GOOD).encode()), headers=headers).is_success
    assert error_of(api.post("/feedback", content=b"no gzip", headers=headers))["code"] == "invalid_request"
    assert sandbox.times_arrived() == {"t": 1}


def test_a_body_that_is_cut_short_is_no_answered_request(sandbox: Sandbox) -> None:
    connection = socket.create_connection(sandbox.address)
    connection.sendall(b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    connection.close()
    until(lambda: len(sandbox.requests()) == 1)
    assert sandbox.requests()[0]["status"] is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-portkey-api-key", b"")],
        [(b"x-portkey-api-key", b"wrong")],
        [(b"x-portkey-api-key", b"\xff\xfe")],
        [(b"Authorization", b"Bearer wrong")],
        [(b"Authorization", b"Basic sandbox")],
        [(b"Authorization", b"sandbox")],
    ],
)
def test_without_an_accepted_key_nothing_is_taken(sandbox: Sandbox, headers: list[tuple[bytes, bytes]]) -> None:
    for method, path in [("POST", ""), ("PUT", "/some-id"), ("GET", "/summary?group_by=user")]:
        response = httpx.request(method, f"{sandbox.url}/feedback{path}", headers=headers, trust_env=False)
        assert response.status_code == 401
        assert error_of(response)["type"] == "authentication_error"
    assert sandbox.counts()["events"] == 0


@pytest.mark.parametrize(
    "headers", [{"x-portkey-api-key": "k2"}, {"Authorization": "Bearer k2"}, {"Authorization": "bearer  k2"}]
)
def test_keys_can_be_changed(sandbox: Sandbox, api: httpx.Client, headers: dict[str, str]) -> None:
    sandbox.set_keys(["k1", "k2"])
    assert api.post("/feedback", json=GOOD).status_code == 401
    del api.headers["x-portkey-api-key"]
    assert api.post("/feedback", json=GOOD, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"{}", 422), (b'{"keys":"a"}', 422), (b'{"keys":[""]}', 422), (b"[]", 422)]
)
def test_wrong_keys_are_refused(sandbox: Sandbox, api: httpx.Client, body: bytes, status: int) -> None:
    response = sandbox.http.put("/sandbox/keys", content=body)
    assert response.status_code == status
    assert error_of(response)["param"] == ("keys" if status == 422 else None)
    assert api.post("/feedback", json=GOOD).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/feedback", 405),
        ("DELETE", "/v1/feedback/", 405),
        ("POST", "/v1/feedback/summary", 405),
        ("POST", "/sandbox/counts", 405),
        ("POST", "/v1/feedbacks", 404),
        ("POST", "/feedback", 404),
        ("GET", "/sandbox/nothing", 404),
        ("PUT", "/v1/feedback/a/b", 404),
    ],
)
def test_other_methods_and_paths(sandbox: Sandbox, method: str, path: str, status: int) -> None:
    response = sandbox.http.request(method, path)
    assert response.status_code == status
    assert path in error_of(response)["message"]
    assert ("Allow" in response.headers) is (status == 405)


def test_an_update_is_applied(sandbox: Sandbox, api: httpx.Client) -> None:
    (feedback_id,) = api.post("/feedback", json=GOOD).json()["feedback_ids"]
    for path in (f"/feedback/{feedback_id}", f"/feedback/{feedback_id}/"):
        answer = api.put(path, json={"value": -4, "weight": 0.5, "metadata": {"_user": "u"}})
        assert answer.status_code == 200
        assert answer.json()["feedback_ids"] == [feedback_id]
    groups = api.get("/feedback/summary", params={"group_by": "user"}).json()["groups"]
    assert groups == [{"group": "u", "count": 1, "weighted_mean": -4, "thumbs_up": 0, "thumbs_down": 1}]
    assert sandbox.counts()["events"] == 1


def test_a_bad_update_is_refused(sandbox: Sandbox, api: httpx.Client) -> None:
    (feedback_id,) = api.post("/feedback", json=GOOD).json()["feedback_ids"]
    bad = api.put(f"/feedback/{feedback_id}", json={"value": 11})
    assert (bad.status_code, error_of(bad)["param"]) == (400, "value")
    unknown = api.put("/feedback/unknown", json={"value": 1})
    assert (unknown.status_code, error_of(unknown)["type"]) == (404, "not_found_error")
    assert [request["status"] for request in sandbox.requests()] == [404, 400, 200]


@pytest.mark.parametrize("group_by", ["prompt", "_prompt", "environment", "_environment", "user", "_organisation"])
def test_the_summary_groups_by_metadata(sandbox: Sandbox, api: httpx.Client, group_by: str) -> None:
    key = "_" + group_by.lstrip("_")
    events = [{"trace_id": "t", "value": value, "metadata": {key: "p"}} for value in (10, -5)]
    assert api.post("/feedback", json=[*events, GOOD]).is_success
    summary = api.get("/feedback/summary", params={"group_by": group_by}).json()
    assert (summary["group_by"], summary["total"]) == (group_by, 2)
    assert summary["groups"] == [
        {"group": "p", "count": 2, "weighted_mean": 2.5, "thumbs_up": 1, "thumbs_down": 1},
        {"group": None, "count": 1, "weighted_mean": 1, "thumbs_up": 1, "thumbs_down": 0},
    ]
    assert sandbox.counts()["events"] == 3


@pytest.mark.parametrize("group_by", ["trace_id", "trace"])
def test_the_summary_groups_by_trace(api: httpx.Client, group_by: str) -> None:
    assert api.get("/feedback/summary", params={"group_by": group_by}).json()["groups"] == []
    api.post("/feedback", json=[GOOD, {"trace_id": "u", "value": 0}, GOOD])
    summary = api.get("/feedback/summary/", params={"group_by": group_by, "limit": 1}).json()
    assert (summary["total"], [group["group"] for group in summary["groups"]]) == (2, ["t"])


def test_deep_metadata_does_not_break_the_summary(api: httpx.Client) -> None:
    taken = []
    for depth in (100, 300, 900, 990, 1100):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        response = api.post("/feedback", content=b'{"trace_id":"t","value":1,"metadata":' + nested + b"}")
        taken.append(response.status_code)
    assert taken[0] == 200
    assert set(taken) == {200, 400}
    summary = api.get("/feedback/summary", params={"group_by": "user"}).json()
    assert summary["groups"][0]["count"] == taken.count(200)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/feedback/summary", "group_by"),
        ("/v1/feedback/summary?group_by=text", "group_by"),
        ("/v1/feedback/summary?group_by=user&limit=0", "limit"),
        ("/sandbox/arrivals?limit=x", "limit"),
        ("/sandbox/arrivals?limit=10001", "limit"),
        ("/sandbox/requests?limit=-1", "limit"),
        ("/sandbox/requests?limit=²", "limit"),
        ("/sandbox/requests?limit=" + "9" * 5_000, "limit"),
        ("/sandbox/counts?distinct=maybe", "distinct"),
    ],
)
def test_bad_queries_name_the_parameter(sandbox: Sandbox, api: httpx.Client, path: str, param: str) -> None:
    response = api.get(sandbox.root + path)
    assert (response.status_code, error_of(response)["param"]) == (400, param)


def test_requests_are_told_latest_first(sandbox: Sandbox, api: httpx.Client) -> None:
    api.post("/feedback", json=[GOOD, GOOD], headers={"Idempotency-Key": "k"})
    api.post("/feedback", content=b"{", headers=[(b"Idempotency-Key", b"\xff")])
    latest, first = sandbox.requests()
    assert latest["number"] == first["number"] + 1
    assert (first["events"], first["idempotency_key"], first["fault"]) == (2, "k", None)
    assert (latest["events"], latest["status"]) == (0, 400)
    assert sandbox.requests(limit=1) == [latest]


def test_the_page_and_the_health_check(sandbox: Sandbox) -> None:
    page = sandbox.http.get("/sandbox/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/sandbox/times-arrived" in page.text
    assert sandbox.ask("GET", "/healthz") == {"status": "ok"}


def test_a_store_that_fails_is_an_error_of_the_api(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox, api_of(sandbox) as api:
        with sqlite3.connect(tmp_path / "sandbox.sqlite3") as db:
            db.execute("DROP TABLE events")
        db.close()
        response = api.post("/feedback", json=GOOD)
        assert (response.status_code, error_of(response)["type"]) == (500, "server_error")


# ---- limits from the command line


def test_limits_of_body_and_array(tmp_path: Path) -> None:
    arguments = ("--max-body-bytes", "1000", "--max-events", "2", "--key", "other", "--seed", "5")
    with Sandbox(tmp_path, *arguments) as sandbox, api_of(sandbox) as api:
        assert api.post("/feedback", json=GOOD).status_code == 401
        api.headers["x-portkey-api-key"] = "other"
        assert api.post("/feedback", json=[GOOD, GOOD]).status_code == 200
        many = api.post("/feedback", json=[GOOD] * 3)
        assert (many.status_code, error_of(many)["message"]) == (413, "at most 2 events are taken, got 3")
        large = api.post("/feedback", content=json.dumps(GOOD).encode().ljust(1001))
        assert (large.status_code, error_of(large)["code"]) == (413, "too_large")
        zipped = api.post("/feedback", content=gzip.compress(b" " * 1001), headers={"Content-Encoding": "gzip"})
        assert zipped.status_code == 413
        assert api.post("/feedback", content=json.dumps(GOOD).encode().ljust(1000)).status_code == 200
        assert sandbox.times_arrived() == {"t": 3}
        assert sandbox.ask("GET", "/sandbox/faults") == {"seed": 5, "faults": []}


def test_a_body_over_ten_mebibytes_is_refused(sandbox: Sandbox, api: httpx.Client) -> None:
    assert api.post("/feedback", content=json.dumps(GOOD).encode().ljust(10 * 2**20 + 1)).status_code == 413
    assert sandbox.requests()[0]["status"] == 413
    assert api.post("/feedback", content=json.dumps(GOOD).encode().ljust(10 * 2**20)).status_code == 200


# ---- faults


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


# ---- the process


def test_it_takes_requests_at_once_from_many_connections(sandbox: Sandbox) -> None:
    answers: list[list[str]] = []

    def send(name: str) -> None:
        with api_of(sandbox) as client:
            for number in range(20):
                body = [{"trace_id": f"{name}-{number}-{place}", "value": 1} for place in range(50)]
                answers.append(client.post("/feedback", json=body).json()["feedback_ids"])

    threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({feedback_id for ids in answers for feedback_id in ids}) == 4 * 20 * 50
    assert sandbox.counts()["distinct_trace_ids"] == 4 * 20 * 50


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        with api_of(sandbox) as api:
            first = api.post("/feedback", json=[GOOD, GOOD]).json()["feedback_ids"]
        assert sandbox.kill() == -signal.SIGKILL
        sandbox.restart()
        assert sandbox.times_arrived() == {"t": 2}
        with api_of(sandbox) as api:
            again = api.post("/feedback", json=[GOOD, GOOD]).json()["feedback_ids"]
            assert api.put(f"/feedback/{first[1]}", json={"value": 0}).status_code == 200
        assert len({*first, *again}) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_in_spite_of_a_hang_and_open_connections(tmp_path: Path, number: signal.Signals) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.set_faults({"kind": "hang", "count": 1})
        with raw_request(sandbox) as hanging:
            until(lambda: len(sandbox.requests()) == 1)
            sandbox.add_fault({"kind": "latency", "ms": 600_000})
            with raw_request(sandbox):
                until(lambda: sandbox.faults()[1]["applied"] == 1)
                started = time.monotonic()
                sandbox.process.send_signal(number)
                assert sandbox.process.wait(PATIENCE_S) == 0
                assert time.monotonic() - started < 2
            with pytest.raises(ConnectionResetError):
                hanging.recv(1)
    assert "sandbox_stopped" in sandbox.log.read_text()
    assert "Traceback" not in sandbox.log.read_text()


def test_it_stops_when_its_parent_has_died(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'forwarder.sandbox', '--announce',"
        " '--stop-with-parent'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        url = json.loads(parent.stdout.readline())["url"]
        assert httpx.post(f"{url}/feedback", trust_env=False).status_code == 401
        parent.kill()
        assert parent.stdout.read() == ""  # returns when the sandbox, which inherited it, has ended too


def test_a_port_in_use_is_one_clear_line(sandbox: Sandbox, tmp_path: Path) -> None:
    refused = run(tmp_path, FORWARDER_SANDBOX_PORT=str(sandbox.address[1]))
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: ")
    assert "FORWARDER_SANDBOX_PORT" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FORWARDER_SANDBOX_PORT", "70000"), ("FORWARDER_SANDBOX_HOST", "192.0.2.1"), ("FORWARDER_DATA_DIR", "/dev/null")],
)
def test_what_keeps_it_from_starting_is_one_clear_line(tmp_path: Path, variable: str, value: str) -> None:
    refused = run(tmp_path, **{variable: value})
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert variable in line


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    refused = run(tmp_path, "--max-events", "0")
    assert refused.returncode == 2
    assert "--max-events" in refused.stderr


def environment(folder: Path, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORWARDER_")}
    ours = {"FORWARDER_SANDBOX_PORT": "0", "FORWARDER_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    return inherited | ours | variables


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A sandbox that is not expected to start."""
    return subprocess.run(
        [sys.executable, "-m", "forwarder.sandbox", *arguments],
        env=environment(folder, **variables),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
