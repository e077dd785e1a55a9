"""`forwarder doctor` on set-ups that are broken on purpose: it names each fault, and what mends it."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forwarder.doctor.checks import judge
from forwarder.doctor.facts import gather
from forwarder.doctor.finding import Finding, Level, worst
from forwarder.paths import DataDir
from forwarder.queue.keys import GROUP
from forwarder.queue.rights import ROLES, Role
from forwarder.settings import load_settings
from forwarder.version import own_version
from tests.support.rig import Rig
from tests.support.slow import Slow
from tests.support.waiting import eventually

USERS = Path(__file__).parents[2] / "deploy" / "redis" / "users.acl"
Doctor = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One system for all; each test leaves it as it was."""
    with Rig(tmp_path_factory.mktemp("d")) as started:
        yield started


@pytest.fixture
def rig(whole: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """The system, with an empty queue and the server's settings as they were."""
    monkeypatch.chdir(tmp_path)
    yield whole
    for name, value in {"maxmemory-policy": "noeviction", "appendfsync": "everysec", "maxmemory": "0"}.items():
        whole.redis.config_set(name, value)
    whole.redis.config_set("appendonly", "yes")
    whole.redis.flushall()
    whole.sandbox.clear_faults()


@pytest.fixture
def doctor(rig: Rig) -> Doctor:
    """What it finds; `role` and settings as keywords."""

    def look(role: Role | None = None, **settings: Any) -> list[Finding]:  # noqa: ANN401 - of any type
        return judge(gather(rig.settings.model_copy(update=settings)), role)

    return look


def the(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check that is not well."""
    (found,) = [one for one in findings if one.check == check and one.level]
    return found


def unwell(findings: list[Finding]) -> set[str]:
    return {one.check for one in findings if one.level}


def cli(rig: Rig, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "forwarder.cli", "doctor", *arguments]
    return subprocess.run(
        command, env=rig.environment, cwd=rig.folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_system_that_is_well_has_nothing_to_mend(start_rig: Callable[..., Rig]) -> None:
    rig = start_rig()
    rig.settings.data_dir.chmod(0o700)
    rig.start_worker()
    assert eventually(lambda: rig.redis.scard("rq:workers") == 1, 60)
    rig.variables["FORWARDER_BACKLOG_MAX_EVENTS"] = "1000"
    done = cli(rig, "--json")
    told = json.loads(done.stdout)
    findings = [one for one in told["findings"] if one["check"] != "latency"]  # a busy machine may be slow
    assert [one for one in findings if one["level"] != "ok"] == []
    assert done.returncode == {"ok": 0, "warning": 1}[told["level"]]
    wanted = {"eviction", "persistence", "workers", "releases", "rq jobs", "upstream default"}
    assert wanted <= {one["check"] for one in findings}
    assert f"every worker runs {own_version()}" in done.stdout


def test_each_finding_is_a_line_and_its_mend_another_and_the_exit_status_the_worst(rig: Rig) -> None:
    done = cli(rig)
    assert done.returncode == 2
    assert (
        "fault    workers: no worker is alive: nothing is delivered\n         mend: start one: `forwarder"
        in done.stdout
    )
    assert done.stderr == ""


def test_the_doctor_changes_nothing(rig: Rig, doctor: Doctor) -> None:
    rig.client().thumbs_up("t1")
    before = {key: rig.redis.dump(key) for key in rig.redis.keys("*")}
    doctor()
    assert {key: rig.redis.dump(key) for key in rig.redis.keys("*")} == before
    assert rig.sandbox.counts()["events"] == 0


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


def rules_of(role: Role) -> str:
    (line,) = [line for line in USERS.read_text().splitlines() if line.startswith(f"user {role} ")]
    return line.removeprefix(f"user {role} ").replace(f"#SHA256-OF-{role}", ">secret-of-it")


def grouped(rules: list[str]) -> list[str]:
    """A selector in parentheses is one word."""
    words: list[str] = []
    for rule in rules:
        if words and words[-1].startswith("(") and not words[-1].endswith(")"):
            words[-1] += f" {rule}"
        else:
            words.append(rule)
    return words


def user(rig: Rig, name: str, rules: str) -> str:
    """The URL of a user who has these rules and no others."""
    rig.redis.execute_command("ACL", "SETUSER", name, "reset", *grouped(rules.split()))
    return rig.url.replace("unix://", f"unix://{name}:secret-of-it@")


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


@pytest.mark.parametrize(
    ("url", "what", "mend"),
    [
        ("https://nowhere.invalid/v1", "its host name is not found", "FORWARDER_BASE_URL"),
        ("http://127.0.0.1:1/v1", "no connection can be made", "firewalls"),
        ("https://{sandbox}/v1", "there is no TLS", "certificate"),
        ("http://{sandbox}/elsewhere", "there is no such path", "FORWARDER_FEEDBACK_PATH"),
    ],
)
def test_an_upstream_that_cannot_be_reached(rig: Rig, doctor: Doctor, url: str, what: str, mend: str) -> None:
    sandbox = "{}:{}".format(*rig.sandbox.address)
    found = the(doctor(base_url=url.format(sandbox=sandbox)), "upstream default")
    assert found.level is Level.FAULT
    assert what in found.what
    assert mend in found.mend


def test_an_upstream_that_refuses_the_key(rig: Rig, doctor: Doctor) -> None:
    rig.sandbox.set_keys(["another-key"])
    try:
        found = the(doctor(), "upstream default")
    finally:
        rig.sandbox.set_keys(["sandbox"])
    assert found.level is Level.FAULT
    assert "the key is not accepted" in found.what
    assert "FORWARDER_API_KEY" in found.mend


@pytest.mark.parametrize(("status", "level"), [(402, Level.FAULT), (503, Level.WARNING), (429, Level.WARNING)])
def test_an_upstream_that_is_unwell(rig: Rig, doctor: Doctor, status: int, level: Level) -> None:
    rig.sandbox.set_faults({"kind": "status", "status": status})
    assert the(doctor(), "upstream default").level is level


def test_each_destination_is_looked_at_and_its_own_variable_is_named(doctor: Doctor) -> None:
    found = doctor(destinations={"eu": {"base_url": "https://nowhere.invalid/v1"}})
    assert "FORWARDER_DESTINATIONS__EU__BASE_URL" in the(found, "upstream eu").mend


def test_an_env_file_that_others_read(doctor: Doctor) -> None:
    path = Path(".env")
    path.write_text("FORWARDER_API_KEY=x\n")
    path.chmod(0o644)
    found = the(doctor(), "env file")
    assert found.level is Level.FAULT
    assert found.mend.startswith("chmod 600 ")
    path.chmod(0o600)
    assert "env file" not in unwell(doctor())


def test_a_data_folder_that_cannot_be_written(rig: Rig, doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = the(doctor(data_dir=tmp_path / "file" / "data", redis_url=rig.url), "data folder")
    assert found.level is Level.FAULT
    assert "FORWARDER_DATA_DIR" in found.mend


def test_a_key_file_that_others_read_and_one_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "key"
    changed = {"api_key": None, "api_key_file": path}
    assert "cannot be read" in the(doctor(**changed), "upstream default").what
    path.write_text("sandbox\n")
    path.chmod(0o644)
    assert the(doctor(**changed), "key file").mend == f"chmod 600 {path}"
    path.chmod(0o600)
    assert {"key file", "upstream default"} & unwell(doctor(**changed)) == set()


def test_a_file_with_the_key_of_the_queue_that_others_read(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(base64.b64encode(bytes(32)).decode())
    path.chmod(0o644)
    assert the(doctor(queue_key_file=path), "key file").mend == f"chmod 600 {path}"


def test_a_redis_that_is_away_does_not_keep_the_rest_from_being_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    away = load_settings(redis_url=f"unix://{tmp_path}/none", base_url="http://127.0.0.1:1", data_dir=tmp_path)
    found = judge(gather(away))
    assert "cannot be reached" in the(found, "redis").what
    assert {"redis", "upstream default"} <= unwell(found)
    assert worst(found) is Level.FAULT


def test_a_password_that_is_wrong_is_told_without_it(rig: Rig, doctor: Doctor) -> None:
    url = user(rig, "producer", rules_of("producer")).replace("secret-of-it", "hunter2hunter2")
    found = the(doctor(redis_url=url), "redis")
    assert "refuses us" in found.what
    assert "hunter2" not in str(found)


def test_settings_that_are_wrong_are_findings_too(rig: Rig) -> None:
    environment = {**rig.environment, "FORWARDER_WORKERS": "many"}
    command = [sys.executable, "-m", "forwarder.cli", "doctor", "--json"]
    done = subprocess.run(command, env=environment, cwd=rig.folder, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 2
    assert told["findings"][0]["level"] == "fault"
    assert "FORWARDER_WORKERS" in told["findings"][0]["what"]
