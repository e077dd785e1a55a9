"""The Redis users that are shipped: each can do its work, and nothing else."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import redis
from redis.exceptions import NoPermissionError
from typing_extensions import override

from forwarder.embedded import EmbeddedServer
from forwarder.settings import Settings, load_settings
from tests.support.programs import queued
from tests.support.rig import Rig
from tests.support.sandbox import ROOT

USERS = (ROOT / "deploy" / "redis" / "users.acl").read_text()
EVENT = '{"trace_id":"t","value":1}'


class Guarded(EmbeddedServer):
    """The server with the users; `default` stays, for the test itself."""

    @override
    def _arguments(self) -> list[str]:
        path = self._data.valkey / "users.acl"
        path.write_text(USERS.replace("user default off", "user default on nopass ~* &* +@all"))
        return [*super()._arguments(), "--aclfile", str(path)]


class GuardedRig(Rig):
    server_class: ClassVar[type[EmbeddedServer]] = Guarded


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRig]:
    with GuardedRig(tmp_path_factory.mktemp("g")) as started:
        yield started


def url_of(rig: Rig, user: str) -> str:
    return rig.url.replace("unix://", f"unix://{user}:change-me-{user}@")


def settings_of(rig: Rig, user: str) -> Settings:
    return load_settings(redis_url=url_of(rig, user), data_dir=rig.folder / "data")


def login(rig: Rig, user: str) -> Any:  # noqa: ANN401 - redis-py's replies are of any type
    return redis.Redis.from_url(url_of(rig, user))


def test_the_users_are_those_that_the_readme_explains() -> None:
    readme = (ROOT / "deploy" / "redis" / "README.md").read_text()
    names = [line.split()[1] for line in USERS.splitlines()]
    assert names == ["default", "producer", "xadd", "worker", "operator"]
    for name in names:
        assert f"`{name}`" in readme
    (producer,) = [line for line in USERS.splitlines() if line.startswith("user producer ")]
    for word in shlex.split(producer.replace("(", " ").replace(")", " ")):
        if word.startswith("+"):
            assert word[1:].replace("|", " ").upper() in readme


@pytest.mark.parametrize("options", [{}, {"mode": "buffered"}, {"durability": "aof"}], ids=str)
def test_a_client_works_as_a_producer_and_its_events_are_delivered(
    guarded: GuardedRig, options: dict[str, Any]
) -> None:
    from forwarder import FeedbackClient  # noqa: PLC0415 - as an app does

    with FeedbackClient(settings=settings_of(guarded, "producer"), **{"mode": "direct", **options}) as client:
        client.send_many({"trace_id": f"t{number}", "value": 1} for number in range(700))
        told = client.flush()
    assert (told.appended, told.spilled, told.dropped) == (700, 0, 0)
    assert guarded.redis.hget(guarded.keys.ledger, "accepted") == b"700"
    assert len(queued(guarded)) == 700
    guarded.variables["FORWARDER_REDIS_URL"] = url_of(guarded, "worker")
    guarded.start_worker()
    guarded.variables["FORWARDER_REDIS_URL"] = "embedded"
    guarded.assert_everything_arrived(700)


@pytest.mark.parametrize(
    "command",
    [
        "XREAD STREAMS {events} 0",
        "XRANGE {events} - +",
        "XLEN {events}",
        "XTRIM {events} MAXLEN 0",
        "XDEL {events} 1-1",
        "DEL {events}",
        "SET {events} x",
        "HINCRBY {events} x 1",
        "XADD {ledger} * body x",
        "HSET {ledger} accepted 1",
        "HGETALL {ledger}",
        "GET {ledger}",
        "GET {pause}",
        "XADD {dead} * body x",
        "XADD feedback * body x",
        "LPUSH rq:queue:feedback x",
        "HSET rq:job:x data y",
        "PUBLISH rq:pubsub:x stop",
        "SET rq:suspended 1",
        "EVAL \"return redis.call('DEL', KEYS[1])\" 1 {events}",
        "EVAL \"return redis.call('SET', KEYS[1], 'x')\" 1 {events}",
        "EVAL \"return redis.call('XRANGE', KEYS[1], '-', '+')\" 1 {events}",
        "EVAL \"return redis.call('HSET', KEYS[1], 'pending', 0)\" 1 {ledger}",
        "EVAL \"return redis.call('GET', KEYS[1])\" 1 rq:suspended",
        "KEYS *",
        "SCAN 0",
        "FLUSHALL",
        "CONFIG GET *",
        "ACL LIST",
        "CLIENT LIST",
        "SCRIPT FLUSH",
        "SHUTDOWN",
    ],
)
@pytest.mark.parametrize("user", ["producer", "xadd"])
def test_a_producer_can_do_nothing_but_append(shared: GuardedRig, user: str, command: str) -> None:
    keys = shared.keys
    words = shlex.split(command.format(events=keys.events, ledger=keys.ledger, pause=keys.pause, dead=keys.dead))
    with login(shared, user) as client, pytest.raises(redis.ResponseError, match=r"(?i)no permissions|ACL failure"):
        client.execute_command(*words)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRig]:
    """One for all commands: each is refused, so that none of them leaves anything."""
    with GuardedRig(tmp_path_factory.mktemp("s")) as started:
        started.redis.xadd(started.keys.events, {"body": EVENT})
        yield started


def test_plain_xadd_needs_no_more_than_xadd(guarded: GuardedRig) -> None:
    with login(guarded, "xadd") as client:
        client.xadd(guarded.keys.events, {"body": EVENT})
    guarded.start_worker()
    guarded.assert_everything_arrived(1)


def test_an_operator_looks_replays_and_pauses_but_cannot_run_jobs(guarded: GuardedRig) -> None:
    guarded.redis.xadd(guarded.keys.events, {"body": "no event"})
    guarded.start_worker()
    assert guarded.settled().dead == 1
    guarded.variables["FORWARDER_REDIS_URL"] = url_of(guarded, "operator")
    for arguments in (
        ["status"],
        ["audit"],
        ["dead-letters", "list"],
        ["pause", "default"],
        ["resume", "default"],
        ["dead-letters", "purge", "--reason", "invalid", "--yes"],
    ):
        command = [sys.executable, "-m", "forwarder.cli", *arguments]
        done = subprocess.run(command, env=guarded.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with login(guarded, "operator") as client, pytest.raises(NoPermissionError):
        client.lpush("rq:queue:feedback", "x")
