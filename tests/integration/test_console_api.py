"""The JSON API and `forwarder --url`, on the real server: each operation, who may do it, and clear words."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forwarder.operations.table import OPERATIONS, Operation
from forwarder.queue.keys import Keys, OperatorKeys
from tests.support.console import LOOKS, TOKEN, USERS, Browser
from tests.support.ingest import Ingest, own_path
from tests.support.letters import bury
from tests.support.rig import Rig
from tests.support.waiting import eventually

CHANGES = [one for one in OPERATIONS if one.changes]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Rig(Path(folder), **USERS) as rig:
        yield rig


@pytest.fixture(scope="module")
def ingest(rig: Rig) -> Iterator[Ingest]:
    with Ingest(rig) as ingest:
        yield ingest


@pytest.fixture
def api(rig: Rig, ingest: Ingest) -> Iterator[httpx.Client]:
    """An operator's client, and an empty queue."""
    rig.redis.flushall()
    with httpx.Client(base_url=ingest.http.base_url, headers=bearer(TOKEN), trust_env=False, timeout=30) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def end_worker(rig: Rig) -> None:
    """Kill -9, and wait for its end."""
    worker = rig.workers.pop()
    horses = rig.children(worker.pid)
    for pid in (worker.pid, *horses):
        rig.kill(pid)
    worker.wait()


def path_of(operation: Operation[Any, Any]) -> str:
    return operation.path.replace("{id}", "1-0").replace("{destination}", "default")


def got(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401 - any JSON
    assert answer.status_code == status, answer.text
    return answer.json()


def said(answer: httpx.Response, status: int) -> str:
    """The message of an error, which has the API's shape."""
    error = got(answer, status)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert answer.headers["x-request-id"]
    return str(error["message"])


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


# What is there


def test_status_and_audit(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 3)
    assert got(api.get("/api/status"))["default"]["dead"] == 3
    assert got(api.get("/api/audit", params={"deep": "true"}))["default"]["closes"] is True


def test_dead_letters_come_page_by_page(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 25)
    seen, start = [], None
    while True:
        page = got(api.get("/api/dead-letters", params={"limit": 10} | ({"start": start} if start else {})))
        seen += [json.loads(letter["body"])["trace_id"] for letter in page["letters"]]
        start = page["next"]
        if start is None:
            break
    assert seen == [f"t{number}" for number in reversed(range(25))]


def test_filters_in_the_query_mean_what_they_mean_on_the_command_line(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 9)
    query: Any = [("status", "400"), ("status", "402"), ("source", "web"), ("since", "1h"), ("attempts", "1..2")]
    assert len(got(api.get("/api/dead-letters", params=query))["letters"]) == 6
    assert got(api.get("/api/dead-letters/stats", params={"contains": "event 7 "}))["total"] == 1


def test_a_group_is_selected_by_its_message(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 9)
    groups = got(api.get("/api/dead-letters/groups"))
    assert (groups["total"], groups["found"]) == (9, 3)
    for group in groups["groups"]:
        chosen = {"message": group["message"], "status": str(group["status"])}
        assert got(api.get("/api/dead-letters/stats", params=chosen))["total"] == group["count"] == 3
    assert got(api.get("/api/dead-letters/stats", params={"message": "another"}))["total"] == 0


def test_one_letter_in_full(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 1)
    (letter,) = rig.dead()
    assert got(api.get(f"/api/dead-letters/{letter.id}")) == letter.as_json()
    assert "there is no dead letter" in said(api.get("/api/dead-letters/1-0"), 404)
    assert "is not an id" in said(api.get("/api/dead-letters/x"), 422)


def test_an_export_comes_back_once(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 5)
    exported = api.get("/api/dead-letters/export")
    assert exported.headers["content-type"] == "application/x-ndjson"
    lines = exported.text.splitlines()
    assert len(lines) == 5
    assert got(api.post("/api/dead-letters/purge", json={"all": True})) == {"matched": 5, "purged": 5, "gone": 0}
    once = got(api.post("/api/dead-letters/import", json={"lines": lines}))
    again = got(api.post("/api/dead-letters/import", json={"lines": [*lines, "nonsense"], "name": "a.jsonl"}))
    assert (once["imported"], again["imported"], again["present"]) == (5, 0, 5)
    assert "a.jsonl:6" in again["flaw"]
    rig.assert_books_close()


def test_a_purge_needs_to_be_told_what(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 3)
    assert "--all" in said(api.post("/api/dead-letters/purge", json={}), 422)
    assert "--all" in said(api.post("/api/dead-letters/purge", json={"all": True, "source": "web"}), 422)
    assert got(api.post("/api/dead-letters/purge", json={"status": ["401"]}))["purged"] == 1


def test_a_replay_from_the_plan_to_the_end(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 4)
    asked = {"set": ["value=5"], "reason": ["rejected"]}
    plan = got(api.post("/api/replays/plan", json=asked))
    assert (plan["would_move"], json.loads(plan["first"][0]["body"])["value"]) == (4, 5)
    begun = got(api.post("/api/replays", json=asked))
    assert "of this selection runs" in said(api.post("/api/replays", json=asked), 409)
    ended = got(api.post(f"/api/replays/{begun['id']}/cancel"))
    assert (begun["state"], ended["state"]) == ("waiting", "cancelled")
    assert got(api.post(f"/api/replays/{begun['id']}/resume"))["state"] == "waiting"
    rig.start_worker()
    assert eventually(lambda: got(api.get(f"/api/replays/{begun['id']}"))["delivered"] == 4)
    crew = got(api.get("/api/workers"))
    assert [worker["pid"] for worker in crew["workers"]] == [rig.workers[0].pid]
    assert [drain["destination"] for drain in crew["drains"]] == ["default"]
    end_worker(rig)
    assert [one["id"] for one in got(api.get("/api/replays"))] == [begun["id"]]
    rig.assert_books_close()


def test_one_letter_is_replayed_with_another_event_in_its_place(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 2)
    first, _ = rig.dead()
    path = f"/api/dead-letters/{first.id}/replay"
    assert "no valid event" in said(api.post(path, json={"body": '{"trace_id":"t0","value":99}'}), 422)
    assert "2 events" in said(
        api.post(path, json={"body": '[{"trace_id":"a","value":1},{"trace_id":"b","value":1}]'}), 422
    )
    mended = '{"trace_id":"mended","value":3}'
    replay = got(api.post(path, json={"body": mended}))
    assert got(api.get("/api/trail"))[0]["detail"] == "an event mended by hand", "and not what people wrote"
    rig.start_worker()
    assert eventually(lambda: got(api.get(f"/api/replays/{replay['id']}"))["delivered"] == 1)
    end_worker(rig)
    assert [letter.id for letter in rig.dead()] != [first.id]
    assert len(rig.dead()) == 1
    assert "there is no dead letter" in said(api.post(path, json={"body": mended}), 404)


def test_pause_and_resume(rig: Rig, api: httpx.Client) -> None:
    begun = got(api.post("/api/destinations/default/pause", json={"reason": "migration", "duration": "5m"}))
    assert begun["paused"]["reason"] == "migration"
    assert begun["paused"]["until_ms"] - begun["paused"]["since_ms"] == 300_000
    (destination,) = got(api.get("/api/destinations"))
    assert destination["paused"] == begun["paused"]
    assert got(api.post("/api/destinations/default/resume"))["was_paused"] is True
    assert "not configured" in said(api.post("/api/destinations/nowhere/pause"), 404)
    assert "not a duration" in said(api.post("/api/destinations/default/pause", json={"duration": "x"}), 422)
    assert rig.redis.exists(Keys().pause) == 0


def test_limits_are_told_with_their_origin_and_without_secrets(api: httpx.Client) -> None:
    (destination,) = got(api.get("/api/destinations"))
    settings = {one["name"]: one for one in destination["settings"]}
    assert settings["FORWARDER_RETRY_BASE_MS"]["origin"] == "environment"
    assert settings["FORWARDER_RATE_EVENTS_PER_S"]["origin"] == "default"
    assert settings["FORWARDER_API_KEY"]["value"] == "********"


def test_each_change_is_on_the_trail(rig: Rig, api: httpx.Client) -> None:
    bury(rig.redis, 3)
    got(api.post("/api/dead-letters/purge", json={"status": ["400"]}))
    api.post("/api/destinations/default/resume")
    api.post("/api/replays", json={"canary": 5, "limit": 3})
    deeds = got(api.get("/api/trail"))
    assert [(one["who"], one["via"], one["action"], one["result"]) for one in deeds] == [
        ("token:ci", "api", "resume", "was not paused"),
        ("token:ci", "api", "dead-letters purge", "1 purged"),
    ]
    assert deeds[1]["selection"] == "statuses 400"
    assert got(api.get("/api/trail", params={"before": deeds[0]["id"]})) == deeds[1:]


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


# Over HTTP from the command line

SEVERAL = """
import json, sys
from typer.testing import CliRunner
from forwarder.cli.app import app

for words in json.load(sys.stdin):
    done = CliRunner().invoke(app, words)
    print(json.dumps([done.exit_code, done.stdout, done.stderr]))
"""
LOOKING = [
    "status",
    "status --json",
    "audit --deep",
    "audit --json",
    "dead-letters list",
    "dead-letters list --json --limit 2",
    "dead-letters list --limit 2",
    "dead-letters stats --status 4xx --status 5xx",
    "dead-letters stats --json",
    "dead-letters groups",
    "dead-letters groups --json --limit 1",
    "dead-letters export -",
    "dead-letters show 1-0",
    "replay --set value=5 --dry-run",
    "replay --set value=5000 --dry-run",
    "replay --to nowhere --dry-run",
    "replay status",
    "replay status 0123456789ab",
    "trail",
]


def ran(rig: Rig, token: str, *commands: list[str]) -> list[tuple[int, str, str]]:
    """Exit status, output and errors of each command; all in one process, because starting one takes a while."""
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        env=rig.environment | ({"FORWARDER_TOKEN": token} if token else {}),
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=rig.folder,
        timeout=400,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_over_http_the_commands_say_the_same(rig: Rig, ingest: Ingest) -> None:
    rig.redis.flushall()
    bury(rig.redis, 3)
    direct = ran(rig, "", *(words.split() for words in LOOKING))
    over_http = ran(rig, LOOKS, *(["--url", str(ingest.http.base_url), *words.split()] for words in LOOKING))
    for words, one, other in zip(LOOKING, direct, over_http, strict=True):
        assert one == other, words


def test_over_http_an_operator_changes_things(rig: Rig, ingest: Ingest) -> None:
    rig.redis.flushall()
    bury(rig.redis, 6)
    rig.start_worker()
    file = str(rig.folder / "dead.jsonl.gz")
    commands = [
        ["dead-letters", "export", file, "--force"],
        ["dead-letters", "purge", "--all", "--yes"],
        ["dead-letters", "import", file, "--again"],
        ["pause", "default", "--json"],
        ["resume", "default"],
        ["replay", "--set", "value=5", "--wait"],
    ]
    done = ran(rig, TOKEN, *(["--url", f"{ingest.http.base_url}/v1", *words] for words in commands))
    exported, purged, imported, paused, resumed, replayed = done
    assert exported[2] == f"exported 6 dead letters to {file}\n"
    assert purged[1] == "6 of 6 dead letters purged\n"
    assert imported[1] == "6 dead letters imported\n"
    assert json.loads(paused[1])["paused"]["reason"] == "by hand"
    assert resumed[1] == "default is resumed\n"
    assert replayed == (0, "6 of 6 dead letters moved (6 delivered so far)\n", "")
    end_worker(rig)
    rig.assert_books_close()


def test_over_http_what_is_wrong_is_one_clear_line(rig: Rig, ingest: Ingest) -> None:
    url = str(ingest.http.base_url)
    asked = [
        (["--url", url, "pause", "default"], "this needs an operator"),
        (["--url", "http://127.0.0.1:9", "status"], "cannot be reached"),
        (["--url", "nonsense", "status"], "is not the URL of a forwarder"),
        (["--url", rig.sandbox.url, "status"], "is a forwarder's console there?"),
        (["--url", url, "send", "--trace-id", "t", "--value", "1"], "does not work with --url"),
    ]
    done = ran(rig, LOOKS, *(words for words, _ in asked))
    for (words, said_so), (status, _, errors) in zip(asked, done, strict=True):
        assert status in (1, 2), words
        assert said_so in errors, words
        assert len(errors.splitlines()) == 1, errors
    for token, said_so in (("", "FORWARDER_TOKEN is not set"), ("wrong", "FORWARDER_TOKEN is not right")):
        ((status, _, errors),) = ran(rig, token, ["--url", url, "status"])
        assert (status, said_so in errors) == (1, True), errors
