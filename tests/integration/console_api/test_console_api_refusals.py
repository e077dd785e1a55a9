"""The JSON API on the real server: who may do what, and clear words for what is wrong."""

import subprocess
from typing import Any

import httpx
import pytest

from forwarder.operations.table import OPERATIONS, Operation
from forwarder.queue.keys import OperatorKeys
from tests.support.console import LOOKS, TOKEN, Browser
from tests.support.console_api import bearer, said
from tests.support.ingest import Ingest, own_path
from tests.support.letters import bury
from tests.support.rig import Rig

CHANGES = [one for one in OPERATIONS if one.changes]


def path_of(operation: Operation[Any, Any]) -> str:
    return operation.path.replace("{id}", "1-0").replace("{destination}", "default")


# Who may


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_nobody_gets_in_without_a_token(ingest: Ingest, operation: Operation[Any, Any]) -> None:
    for headers in ({}, bearer("wrong"), {"authorization": "Basic YTpi"}):
        answer = ingest.http.request(operation.method, path_of(operation), headers=headers)
        assert "forwarder console-token" in said(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", CHANGES, ids=lambda one: one.name)
def test_a_viewer_changes_nothing(rig: Rig, ingest: Ingest, operation: Operation[Any, Any]) -> None:
    rig.redis.delete(OperatorKeys().trail)
    browser = Browser(ingest, "vic")
    for headers in (bearer(LOOKS), {"x-csrf-token": browser.csrf}):
        answer = browser.http.request(operation.method, path_of(operation), headers=headers, json={})
        assert "viewer" in said(answer, 403)
    assert not rig.redis.exists(OperatorKeys().trail)


@pytest.mark.parametrize("operation", CHANGES, ids=lambda one: one.name)
def test_a_session_changes_nothing_without_its_token(ingest: Ingest, operation: Operation[Any, Any]) -> None:
    browser = Browser(ingest, "ann")
    answer = browser.http.request(operation.method, path_of(operation), json={})
    assert "x-csrf-token" in said(answer, 403)
    own = {"x-csrf-token": browser.csrf}
    elsewhere = browser.http.request(
        operation.method, path_of(operation), json={}, headers=own | {"origin": "https://e"}
    )
    assert "another site" in said(elsewhere, 403)


def test_what_changes_nothing_is_open_to_a_viewer(rig: Rig, ingest: Ingest) -> None:
    rig.redis.flushall()
    bury(rig.redis, 1)
    for one in OPERATIONS:
        if not one.changes and "{id}" not in one.path:
            answer = ingest.http.request(one.method, one.path, headers=bearer(LOOKS))
            assert answer.status_code == 200, (one.name, answer.text)


def test_operations_that_change_something_are_never_reached_by_get() -> None:
    assert {one.method for one in CHANGES} == {"POST"}
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS) >= 20


# What is wrong


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/dead-letters?nonsense=1", 422, "nonsense"),
        ("/api/dead-letters?limit=many", 422, "limit"),
        ("/api/dead-letters?limit=0", 422, "limit"),
        ("/api/dead-letters?since=tomorrow", 422, "tomorrow"),
        ("/api/dead-letters?destination=nowhere", 404, "nowhere"),
        ("/api/dead-letters?start=x", 422, "is not an id"),
        ("/api/dead-letters/groups?limit=-1", 422, "limit"),
        ("/api/trail?before=x", 422, "before"),
        ("/api/replays/nothing", 404, "there is no replay"),
        ("/api/nowhere", 404, "/docs"),
    ],
)
def test_a_wrong_query_is_told(api: httpx.Client, path: str, status: int, words: str) -> None:
    assert words in said(api.get(path), status)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"set":' + b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"limit": 1e999}', "application/json", 422),
        (b'{"limit": 100000000000000000000}', "application/json", 422),
        (b'{"set": ["value"]}', "application/json", 422),
        (b'{"set": "value=1"}', "application/json", 422),
        (b'{"to": "nowhere"}', "application/json", 404),
        (b'{"trace_ids": {"a": ""}}', "application/json", 422),
        (b"limit=1", "application/x-www-form-urlencoded", 415),
        (b'{"reason": ["x"]}', "text/plain", 415),
    ],
)
def test_a_wrong_body_is_told(rig: Rig, api: httpx.Client, body: bytes, kind: str, status: int) -> None:
    for path in ("/api/replays", "/api/replays/plan"):
        said(api.post(path, content=body, headers={"content-type": kind}), status)
    assert not rig.logged("request_failed")


def test_the_description_has_every_operation(ingest: Ingest) -> None:
    description = ingest.http.get("/openapi.json").json()
    for one in OPERATIONS:
        assert description["paths"][one.path][one.method.lower()]["security"] == [{"bearer": []}]


def test_whatever_the_description_allows_is_no_defect(rig: Rig, ingest: Ingest) -> None:
    rig.redis.flushall()
    bury(rig.redis, 3)
    command = [str(own_path() / "schemathesis"), "run", f"{ingest.http.base_url}/openapi.json"]
    command += [
        "--include-path-regex",
        "^/api",
        "--phases",
        "fuzzing",
        "--max-examples",
        "5",
        "--generation-database",
        "none",
    ]
    command += [
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]
    command += ["-H", f"authorization: Bearer {TOKEN}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=rig.folder, timeout=400)
    assert done.returncode == 0, done.stdout[-6000:]
    assert not rig.logged("request_failed")
