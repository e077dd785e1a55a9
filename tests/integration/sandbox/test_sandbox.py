"""The sandbox as a real process, over real sockets: what it takes as the Feedback API does, and what it refuses."""

import gzip
import json
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.support.sandbox import Sandbox
from tests.support.sandbox_requests import GOOD, api_of, error_of, until

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
