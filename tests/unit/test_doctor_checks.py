"""Findings on facts that no server here can be brought to show."""

from dataclasses import replace
from pathlib import Path

import pytest

from forwarder.doctor.checks import judge
from forwarder.doctor.facts import Facts, QueueFacts
from forwarder.doctor.files import FileFacts
from forwarder.doctor.finding import Finding, Level, worst
from forwarder.doctor.upstream import UpstreamFacts
from forwarder.queue.rights import ROLES
from forwarder.queue.server import ServerFacts
from forwarder.settings import load_settings

SERVER = ServerFacts(
    flavour="redis",
    version="7.0.15",
    speaks="7.0.15",
    role="master",
    aof=True,
    aof_well=True,
    fsync="everysec",
    snapshots="",
    snapshot_well=True,
    eviction="noeviction",
    memory_max=0,
    memory_used=1_000_000,
    machine_memory=64_000_000_000,
    ahead_s=0.0,
    latency_ms=0.2,
)
UPSTREAM = UpstreamFacts("default", "https://api.example.org/v1/feedback/", "answer", "", has_key=True, status=400)


def found(server: ServerFacts = SERVER, upstream: UpstreamFacts = UPSTREAM, *files: FileFacts) -> list[Finding]:
    """What is not well."""
    queue = QueueFacts((server,), "default", dict.fromkeys(ROLES, ()), (), ())
    facts = Facts(settings=load_settings(), queue=queue, upstreams=(upstream,), files=files)
    return [one for one in judge(facts) if one.level and one.check != "workers"]


def the_one(findings: list[Finding]) -> Finding:
    (one,) = findings
    return one


def test_what_is_well_has_nothing_to_mend() -> None:
    assert found() == []
    assert worst([]) is Level.OK


@pytest.mark.parametrize(
    ("change", "level", "what"),
    [
        ({"version": "6.2.14", "speaks": "6.2.14"}, Level.FAULT, "it is redis 6.2.14"),
        ({"flavour": "dragonfly", "version": "1.30"}, Level.WARNING, "with which nothing is tested"),
        ({"aof_well": False}, Level.FAULT, "its last write to the append-only file failed"),
        ({"aof": False, "snapshots": "3600 1"}, Level.FAULT, "only by snapshots (3600 1)"),
        ({"aof": False, "snapshots": None}, Level.FAULT, "keeps nothing"),
        ({"snapshot_well": False}, Level.WARNING, "its last snapshot failed"),
        ({"ahead_s": -5.0}, Level.WARNING, "5.0 s behind ours"),
        ({"machine_memory": 1_000_000_000}, Level.WARNING, "memory ends first, after some 5,"),
        ({"memory_max": 10_000_000, "memory_used": 8_000_000}, Level.WARNING, "8 MB of maxmemory 10 MB"),
    ],
)
def test_servers(change: dict[str, object], level: Level, what: str) -> None:
    one = the_one(found(replace(SERVER, **change)))  # type: ignore[arg-type]  # of many types
    assert (one.level, what in one.what, bool(one.mend)) == (level, True, True), one


@pytest.mark.parametrize(
    ("durability", "change", "what"),
    [
        ("replica", {}, "no replica is connected"),
        ("aof", {}, "Redis 7.0.15 has no WAITAOF"),
        ("replica", {"replicas": 1}, ""),
        ("aof", {"flavour": "valkey"}, ""),
        ("aof", {"speaks": "7.2.0"}, ""),
        ("memory", {}, ""),
    ],
)
def test_a_durability_that_is_not_to_be_had(durability: str, change: dict[str, object], what: str) -> None:
    queue = QueueFacts((replace(SERVER, **change),), "default", dict.fromkeys(ROLES, ()), (), ())  # type: ignore[arg-type]  # of many types
    facts = Facts(settings=load_settings(durability=durability), queue=queue, upstreams=(UPSTREAM,))
    said = [one for one in judge(facts) if one.check == "durability" and one.level]
    assert [(one.level, what in one.what, bool(one.mend)) for one in said] == [(Level.FAULT, True, True)] * bool(what)


def test_each_primary_of_a_cluster_is_looked_at_and_has_its_share_of_the_backlog() -> None:
    room = replace(SERVER, memory_max=1_000_000_000, at="a:1")
    full = replace(room, memory_max=100_000_000, at="b:2", eviction="allkeys-lru")
    queue = QueueFacts((room, room, full), "default", dict.fromkeys(ROLES, ()), (), ())
    facts = Facts(settings=load_settings(backlog_max_events=6_000_000), queue=queue, upstreams=(UPSTREAM,))
    unwell = {one.check: one for one in judge(facts) if one.level}
    assert {"eviction of b:2", "memory of b:2"} <= unwell.keys()
    assert "memory of a:1" not in unwell
    assert "takes about 360 MB of each primary at 180 bytes" in unwell["memory of b:2"].what
    assert "FORWARDER_BACKLOG_MAX_EVENTS to 1,500,000 or less" in unwell["memory of b:2"].mend


def test_a_server_that_is_as_new_under_another_number() -> None:
    assert found(replace(SERVER, flavour="valkey", version="9.1.2", speaks="7.2.4", ahead_s=None, fsync=None)) == []


@pytest.mark.parametrize(
    ("change", "level", "what", "mend"),
    [
        ({"certificate_days": 5.2}, Level.WARNING, "runs out in 5 days", "who runs it"),
        ({"url": "http://gateway.local:8080/v1/feedback/"}, Level.WARNING, "unencrypted", "https://"),
        ({"status": 307}, Level.FAULT, "it redirects", "FORWARDER_BASE_URL"),
        ({"status": 403}, Level.FAULT, "may not send feedback", "FORWARDER_API_KEY"),
        ({"status": 405}, Level.FAULT, "takes no POST", "FORWARDER_FEEDBACK_PATH"),
        ({"has_key": False, "status": 401}, Level.FAULT, "no key is set", "FORWARDER_API_KEY"),
        ({"has_key": False, "status": 404}, Level.FAULT, "no such path", "FORWARDER_FEEDBACK_PATH"),
        (
            {"reached": "tls", "error": "no answer in time"},
            Level.FAULT,
            "does not answer: no answer in time",
            "is it up",
        ),
    ],
)
def test_upstreams(change: dict[str, object], level: Level, what: str, mend: str) -> None:
    one = the_one(found(upstream=replace(UPSTREAM, **change)))  # type: ignore[arg-type]  # of many types
    assert (one.level, what in one.what, mend in one.mend) == (level, True, True), one


@pytest.mark.parametrize("url", ["http://127.0.0.1:8788/v1/feedback/", "http://[::1]/feedback/", "http://localhost:1/"])
def test_an_upstream_on_this_machine_needs_no_tls(url: str) -> None:
    assert found(upstream=replace(UPSTREAM, url=url)) == []


@pytest.mark.parametrize("status", [200, 400, 422])
def test_an_upstream_that_takes_the_key_may_say_of_an_empty_array_what_it_likes(status: int) -> None:
    assert found(upstream=replace(UPSTREAM, status=status)) == []


def test_a_disk_that_is_nearly_full_and_a_folder_that_others_read() -> None:
    folder = FileFacts(Path("/data"), "data", exists=True, others_read=False, writable=True, free_bytes=1_000_000)
    assert "1 MB are free" in the_one(found(SERVER, UPSTREAM, folder)).what
    open_to_all = replace(folder, others_read=True, free_bytes=10**10)
    assert the_one(found(SERVER, UPSTREAM, open_to_all)).mend == "chmod 700 /data"
