"""What the sandbox tells of what arrived: event by event, by trace, in summaries, request by request."""

import time

import httpx
import pytest

from tests.support.sandbox import Sandbox
from tests.support.sandbox_requests import GOOD, error_of


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
