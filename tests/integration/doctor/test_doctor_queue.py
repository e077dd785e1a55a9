"""`forwarder doctor` on a Redis, rights, workers and a queue that are broken on purpose: each fault, and its mend."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forwarder.doctor.facts import gather
from forwarder.doctor.finding import Level
from forwarder.paths import DataDir
from forwarder.queue.keys import GROUP
from forwarder.queue.rights import ROLES, Role
from forwarder.version import own_version
from tests.support.doctor import Doctor, rules_of, the, unwell, user
from tests.support.rig import Rig
from tests.support.slow import Slow


def test_an_eviction_policy_that_deletes_events(rig: Rig, doctor: Doctor) -> None:
    rig.redis.config_set("maxmemory-policy", "allkeys-lru")
    found = the(doctor(), "eviction")
    assert found.level is Level.FAULT
    assert "allkeys-lru" in found.what
    assert found.mend.startswith("CONFIG SET maxmemory-policy noeviction")


def test_no_append_only_file(rig: Rig, doctor: Doctor) -> None:
    rig.redis.config_set("appendonly", "no")
    found = the(doctor(), "persistence")
    assert found.level is Level.FAULT
    assert "keeps nothing" in found.what
    assert found.mend.startswith("CONFIG SET appendonly yes")


def test_an_append_only_file_that_is_not_synced(rig: Rig, doctor: Doctor) -> None:
    rig.redis.config_set("appendfsync", "no")
    found = the(doctor(), "persistence")
    assert found.level is Level.WARNING
    assert "appendfsync everysec" in found.mend


def test_memory_that_is_in_use(rig: Rig, doctor: Doctor) -> None:
    used: Any = rig.redis.info("memory")
    rig.redis.config_set("maxmemory", str(used["used_memory"] + 50_000))
    found = the(doctor(), "memory")
    assert found.level is Level.FAULT
    assert "appends are refused" in found.what
    assert "raise maxmemory" in found.mend


def test_a_backlog_cap_that_the_memory_does_not_hold(rig: Rig, doctor: Doctor) -> None:
    rig.redis.config_set("maxmemory", "500mb")
    found = the(doctor(backlog_max_events=10_000_000), "memory")
    assert found.level is Level.WARNING
    assert "FORWARDER_BACKLOG_MAX_EVENTS (10,000,000)" in found.what
    assert "set FORWARDER_BACKLOG_MAX_EVENTS to 2," in found.mend
    assert "memory" not in unwell(doctor(backlog_max_events=1_000_000))


def test_a_replica(rig: Rig, doctor: Doctor) -> None:
    rig.redis.replicaof("127.0.0.1", 1)
    try:
        found = the(doctor(), "redis role")
    finally:
        rig.redis.replicaof("NO", "ONE")
    assert found.level is Level.FAULT
    assert "FORWARDER_REDIS_URL" in found.mend


def test_a_clock_that_is_wrong(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, here: that of a server of our own machine is the same."""
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() - 40)
    found = the(doctor(), "clock")
    assert found.level is Level.FAULT
    assert "40.0 s ahead of ours" in found.what
    assert "NTP" in found.mend


def test_a_server_that_answers_late(rig: Rig, doctor: Doctor) -> None:
    data = DataDir(rig.settings.data_dir)
    with Slow(rig.folder / "slow.sock", data.socket, late_s=0.06) as relay:
        found = the(doctor(redis_url=relay.url), "latency")
    assert found.level is Level.WARNING
    assert "SLOWLOG" in found.mend


@pytest.mark.parametrize(
    ("role", "change", "named"),
    [
        ("producer", ("+xadd", ""), "XADD feedback:{doctor!.0}:events"),
        ("producer", ("+hincrby", ""), "HINCRBY feedback:{doctor!.0}:ledger"),
        ("ingest", ("+hgetall", ""), "HGETALL"),
        ("worker", ("&rq:pubsub:*", ""), "PUBLISH"),
        ("worker", ("~rq:*", ""), "LMOVE"),
        ("worker", ("+@all", "+@all -xreadgroup"), "XREADGROUP GROUP"),
        ("operator", ("%R~rq:*", ""), "SMEMBERS rq:workers"),
        ("operator", ("+@all", "+@all -xdel"), "XDEL feedback:{doctor!.0}:dead"),
    ],
)
def test_a_user_without_a_right(rig: Rig, doctor: Doctor, role: Role, change: tuple[str, str], named: str) -> None:
    url = user(rig, role, rules_of(role))
    assert f"rights as {role}" not in unwell(doctor(redis_url=url))
    user(rig, role, rules_of(role).replace(*change))
    found = the(doctor(redis_url=url), f"rights as {role}")
    assert found.level is Level.FAULT
    assert named in found.what
    assert f"deploy/redis/users.acl gives `{role}`" in found.mend


def test_each_shipped_user_has_the_rights_of_its_role_and_the_doctor_shows_it_what_it_may(rig: Rig) -> None:
    for role in ROLES:
        queue = gather(rig.settings.model_copy(update={"redis_url": user(rig, role, rules_of(role))})).queue
        assert queue
        assert queue.rights[role] == ()
        assert queue.servers
        may_look = role in ("worker", "operator", "console")
        assert (queue.workers is not None, queue.destinations is not None) == (may_look, may_look), role


def test_a_user_of_another_name_is_told_which_roles_it_cannot_play(rig: Rig, doctor: Doctor) -> None:
    me = user(rig, "me", "on >secret-of-it ~* &* +@all -xreadgroup")
    assert the(doctor(redis_url=me), "rights as worker").level is Level.WARNING
    assert the(doctor("worker", redis_url=me), "rights as worker").level is Level.FAULT
    assert "rights as operator" not in unwell(doctor(redis_url=me))


def test_no_worker(doctor: Doctor) -> None:
    found = the(doctor(), "workers")
    assert found.level is Level.FAULT
    assert "`forwarder worker`" in found.mend


def a_worker(rig: Rig, silent_s: float, **fields: str) -> None:
    """One that registered so long ago."""
    beat = (datetime.now(UTC) - timedelta(seconds=silent_s)).isoformat()
    rig.redis.sadd("rq:workers", "rq:worker:w1")
    told: Any = {"last_heartbeat": beat, "hostname": "box", "pid": "7", **fields}
    rig.redis.hset("rq:worker:w1", mapping=told)


def test_a_worker_that_is_silent(rig: Rig, doctor: Doctor) -> None:
    a_worker(rig, 600, forwarder_version=own_version())
    found = [one for one in doctor() if one.check == "workers"]
    assert [one.level for one in found] == [Level.FAULT, Level.WARNING]
    assert "w1 on box (for 10m)" in found[1].what


def test_a_worker_of_another_release(rig: Rig, doctor: Doctor) -> None:
    a_worker(rig, 1, forwarder_version="0.0.9")
    found = the(doctor(), "releases")
    assert found.level is Level.WARNING
    assert "w1 (0.0.9)" in found.what
    assert "restart" in found.mend


def test_jobs_that_rq_lost(rig: Rig, doctor: Doctor) -> None:
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    rig.redis.lpush("rq:queue:feedback", "gone")
    rig.redis.hset("rq:job:nowhere", mapping={"status": "queued", "enqueued_at": old})
    rig.redis.hset("rq:job:taken", mapping={"status": "queued", "enqueued_at": old})
    rig.redis.lpush("rq:queue:feedback:intermediate", "taken")
    rig.redis.hset("rq:job:begun", mapping={"status": "started", "enqueued_at": old, "worker_name": "w9"})
    rig.redis.hset("rq:job:fresh", mapping={"status": "queued", "enqueued_at": datetime.now(UTC).isoformat()})
    facts = gather(rig.settings)
    assert facts.queue
    assert {one.id for one in facts.queue.lost} == {"gone", "nowhere", "taken", "begun"}
    found = the(doctor(), "rq jobs")
    assert found.level is Level.WARNING
    assert "RQ has lost 4" in found.what
    assert "no event is lost" in found.mend


def test_a_lease_without_an_end(rig: Rig, doctor: Doctor) -> None:
    rig.redis.set(rig.keys.lease(0), "0123456789abcdef")
    found = the(doctor(), "lease 0 of default")
    assert found.level is Level.FAULT
    assert found.mend.startswith(f"DEL {rig.keys.lease(0)}")


def handed_out(rig: Rig, hours_ago: int) -> None:
    """An entry that a drain read so long ago and never settled."""
    entry = rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"t","value":1}'})
    rig.redis.xgroup_create(rig.keys.events, GROUP, id="0")
    rig.redis.xreadgroup(GROUP, "ended", {rig.keys.events: ">"})
    rig.redis.xclaim(rig.keys.events, GROUP, "ended", 0, [entry], idle=hours_ago * 3_600_000)


def test_an_entry_that_nobody_takes_over(rig: Rig, doctor: Doctor) -> None:
    handed_out(rig, 2)
    found = the(doctor(), "pending of default")
    assert found.level is Level.WARNING
    assert "by a drain that ended" in found.what
    assert "start a worker" in found.mend


def test_an_entry_that_is_tried_for_long(rig: Rig, doctor: Doctor) -> None:
    handed_out(rig, 2)
    rig.redis.set(rig.keys.lease(0), "ended", px=60_000)
    found = the(doctor(), "pending of default")
    assert "is still tried" in found.what


def test_an_old_backlog_and_a_full_one(rig: Rig, doctor: Doctor) -> None:
    rig.redis.xadd(rig.keys.events, {"body": "x"}, id="1000-0")
    assert "has waited" in the(doctor(), "backlog of default").what
    rig.redis.hset(rig.keys.ledger, "pending", 5)
    assert the(doctor(backlog_max_events=5), "backlog of default").level is Level.FAULT


def test_books_that_do_not_close(rig: Rig, doctor: Doctor) -> None:
    rig.redis.hset(rig.keys.ledger, "delivered", 3)
    assert the(doctor(), "books of default").level is Level.FAULT


def test_a_pause(rig: Rig, doctor: Doctor) -> None:
    rig.redis.hset(rig.keys.pause, mapping={"reason": "the key is revoked", "kind": "hand", "since": 1})
    found = the(doctor(), "pause of default")
    assert "the key is revoked" in found.what
    assert found.mend == "`forwarder resume default`"
