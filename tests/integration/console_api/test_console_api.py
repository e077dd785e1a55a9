"""The JSON API on the real server: what each operation does and answers."""

import json
from typing import Any

import httpx

from forwarder.queue.keys import Keys
from tests.support.console_api import end_worker, got, said
from tests.support.letters import bury
from tests.support.rig import Rig
from tests.support.waiting import eventually


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
