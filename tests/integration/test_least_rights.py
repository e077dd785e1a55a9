"""The Redis users that are shipped: each can do its work, and nothing else."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import redis
from redis.exceptions import NoPermissionError
from typing_extensions import override

from forwarder.client import FeedbackClient
from forwarder.embedded import EmbeddedServer, server_binary
from forwarder.paths import DataDir
from forwarder.settings import Settings, load_settings
from tests.support.ingest import Ingest
from tests.support.programs import queued
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.users import SHIPPED, USERS, login, users_file

NAMES = ["default", "producer", "xadd", "ingest", "worker", "operator", "console"]
OLDEST = (7, 0, 0)
"""The oldest server that must take the file."""
EVENT = '{"trace_id":"t","value":1}'


READS = (
    "XRANGE {events} - +",
    "XLEN {events}",
    "HGETALL {ledger}",
    "EVAL \"return redis.call('XRANGE', KEYS[1], '-', '+')\" 1 {events}",
)
FORBIDDEN = (
    "XREAD STREAMS {events} 0",
    "XREADGROUP GROUP forwarder me STREAMS {events} >",
    "XTRIM {events} MAXLEN 0",
    "XDEL {events} 1-1",
    "DEL {events}",
    "SET {events} x",
    "HINCRBY {events} x 1",
    "XADD {ledger} * body x",
    "HSET {ledger} accepted 1",
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
    "EVAL \"return redis.call('HSET', KEYS[1], 'pending', 0)\" 1 {ledger}",
    "EVAL \"return redis.call('XADD', KEYS[1], '*', 'body', 'x')\" 1 {dead}",
    "EVAL \"return redis.call('GET', KEYS[1])\" 1 rq:suspended",
    "KEYS *",
    "SCAN 0",
    "FLUSHALL",
    "CONFIG GET *",
    "ACL LIST",
    "CLIENT LIST",
    "CLIENT KILL ID 1",
    "CLIENT PAUSE 1",
    "CLIENT TRACKING ON BCAST",
    "CLUSTER NODES",
    "CLUSTER FAILOVER",
    "CLUSTER SETSLOT 1 MIGRATING x",
    "SCRIPT FLUSH",
    "SHUTDOWN",
)

ADMINISTRATION = (
    "CONFIG GET *",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG REWRITE",
    "FLUSHALL",
    "FLUSHDB",
    "SWAPDB 0 1",
    "KEYS *",
    "ACL LIST",
    "ACL SETUSER me on nopass ~* +@all",
    "ACL DRYRUN worker GET x",
    "CLIENT KILL ID 1",
    "CLIENT PAUSE 1",
    "MONITOR",
    "MODULE LIST",
    "REPLICAOF 127.0.0.1 1",
    "FAILOVER",
    "CLUSTER FAILOVER",
    "CLUSTER SETSLOT 1 MIGRATING x",
    "SAVE",
    "BGREWRITEAOF",
    "SHUTDOWN",
    "MIGRATE 127.0.0.1 1 {events} 0 1",
    "RESTORE feedback:x 0 x",
    "GET somebody:else",
    "SET somebody:else x",
    "PUBLISH somebody:else x",
    "SUBSCRIBE somebody:else",
    "EVAL \"return redis.call('FLUSHALL')\" 0",
    "EVAL \"return redis.call('GET', KEYS[1])\" 1 somebody:else",
)
RQ_WRITES = (
    "LPUSH rq:queue:feedback x",
    "HSET rq:job:x data y",
    "SADD rq:workers x",
    "SET rq:suspended 1",
    "DEL rq:queue:feedback",
    "PUBLISH rq:pubsub:x stop",
    "EVAL \"return redis.call('SET', KEYS[1], 'x')\" 1 rq:suspended",
)
"""By which jobs would be run, workers stopped or jobs deleted."""


class Guarded(EmbeddedServer):
    """The server with the users; `default` stays, for the test itself."""

    @override
    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--aclfile", str(users_file(self._data.valkey))]


class GuardedRig(Rig):
    server_class: ClassVar[type[EmbeddedServer]] = Guarded


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRig]:
    with GuardedRig(tmp_path_factory.mktemp("g")) as started:
        yield started


def url_of(rig: Rig, user: str) -> str:
    return rig.url.replace("unix://", f"unix://{login(DataDir(rig.folder / 'data').valkey, user)}@")


def settings_of(rig: Rig, user: str) -> Settings:
    return load_settings(redis_url=url_of(rig, user), data_dir=rig.folder / "data")


def logged_in(rig: Rig, user: str) -> Any:  # noqa: ANN401 - redis-py's replies are of any type
    return redis.Redis.from_url(url_of(rig, user))


def test_the_users_are_those_that_the_readme_explains() -> None:
    readme = (SHIPPED / "README.md").read_text()
    assert [line.split()[1] for line in USERS.splitlines()] == NAMES
    assert all(f"`{name}`" in readme for name in NAMES)
    for word in granted("producer"):
        assert (f"`{word}`" if word.startswith("@") else word.upper().replace("|", " ")) in readme


def granted(user: str) -> list[str]:
    """The commands and categories that a user is given."""
    (line,) = [line for line in USERS.splitlines() if line.startswith(f"user {user} ")]
    return re.findall(r"[ (]\+(\S+?)(?=[ )]|$)", line)


def test_nobody_can_log_in_with_a_password_that_was_shipped(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A server refuses the file as it is shipped, and says in which lines passwords are missing."""
    path = tmp_path_factory.mktemp("u") / "users.acl"
    path.write_text(USERS)
    command = [str(server_binary()), "--port", "0", "--save", "", "--dir", str(path.parent), "--aclfile", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    for line in range(2, len(NAMES) + 1):
        assert re.search(rf"users\.acl:{line}: .* password hash must be", done.stdout), done.stdout


def test_the_oldest_server_knows_every_command_that_is_named(shared: GuardedRig) -> None:
    """A server that meets a command unknown to it refuses the whole file."""
    words = {word for name in NAMES[1:] for word in granted(name) if not word.startswith("@")}
    with redis.Redis.from_url(shared.url, protocol=3) as client:
        client.set_response_callback("COMMAND", lambda reply, **_: reply)  # redis-py's own takes no subcommands
        for word in words:
            docs: Any = client.execute_command("COMMAND", "DOCS", word)
            since = docs[word.encode()][b"since"].decode()
            assert tuple(int(part) for part in since.split(".")) <= OLDEST, word


@pytest.mark.parametrize("options", [{}, {"mode": "buffered"}, {"durability": "aof"}], ids=str)
def test_a_client_works_as_a_producer_and_its_events_are_delivered(
    guarded: GuardedRig, options: dict[str, Any]
) -> None:
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


@pytest.mark.parametrize("command", READS + FORBIDDEN)
@pytest.mark.parametrize("user", ["producer", "xadd"])
def test_a_producer_can_do_nothing_but_append(shared: GuardedRig, user: str, command: str) -> None:
    assert_refused(shared, user, command)


@pytest.mark.parametrize("command", FORBIDDEN)
def test_the_ingest_can_do_nothing_but_append_and_look(shared: GuardedRig, command: str) -> None:
    assert_refused(shared, "ingest", command)


@pytest.mark.parametrize("command", ADMINISTRATION)
@pytest.mark.parametrize("user", ["worker", "operator"])
def test_a_worker_and_an_operator_cannot_administer_the_server(shared: GuardedRig, user: str, command: str) -> None:
    assert_refused(shared, user, command)


@pytest.mark.parametrize("command", RQ_WRITES)
def test_an_operator_looks_at_rq_and_changes_nothing_there(shared: GuardedRig, command: str) -> None:
    assert_refused(shared, "operator", command)


def assert_refused(rig: GuardedRig, user: str, command: str) -> None:
    keys = rig.keys
    words = shlex.split(command.format(events=keys.events, ledger=keys.ledger, pause=keys.pause, dead=keys.dead))
    with logged_in(rig, user) as client, pytest.raises(redis.ResponseError, match=r"(?i)no permissions|ACL failure"):
        client.execute_command(*words)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRig]:
    """One for all commands: each is refused, so that none of them leaves anything."""
    with GuardedRig(tmp_path_factory.mktemp("s")) as started:
        started.redis.xadd(started.keys.events, {"body": EVENT})
        yield started


def test_plain_xadd_needs_no_more_than_xadd(guarded: GuardedRig) -> None:
    with logged_in(guarded, "xadd") as client:
        client.xadd(guarded.keys.events, {"body": EVENT})
    guarded.start_worker()
    guarded.assert_everything_arrived(1)


def test_a_producer_may_have_its_queue_in_another_database(guarded: GuardedRig) -> None:
    url = f"{url_of(guarded, 'producer')}?db=1"
    with FeedbackClient(settings=load_settings(redis_url=url), mode="direct") as client:
        client.thumbs_up("t")
    with redis.Redis.from_url(f"{guarded.url}?db=1") as client:
        assert client.xlen(guarded.keys.events) == 1


def test_an_ingest_takes_events_and_tells_how_the_books_stand(guarded: GuardedRig) -> None:
    guarded.variables |= {"FORWARDER_REDIS_URL": url_of(guarded, "ingest"), "FORWARDER_INGEST_PORT": "0"}
    with Ingest(guarded) as ingest:
        assert ingest.post({"trace_id": "t", "value": 1}).status_code == 202
        assert ingest.http.get("/readyz").json() == {"status": "ready", "pending": {"default": 1}}
        metrics = ingest.http.get("/metrics")
    assert 'forwarder_accepted_total{destination="default"} 1.0' in metrics.text
    assert "forwarder_workers 0.0" in metrics.text
    assert len(queued(guarded)) == 1


@pytest.mark.parametrize("user", ["operator", "console"])
def test_an_operator_looks_replays_and_pauses_but_cannot_run_jobs(guarded: GuardedRig, user: str) -> None:
    for body in ("no event", EVENT.replace("1", "99")):
        guarded.redis.xadd(guarded.keys.events, {"body": body})
    guarded.start_worker()
    assert guarded.settled().dead == 2
    guarded.variables["FORWARDER_REDIS_URL"] = url_of(guarded, user)
    for arguments in (
        ["status"],
        ["audit"],
        ["dead-letters", "list"],
        ["dead-letters", "groups"],
        ["replay", "--contains", "99", "--set", "value=1", "--yes"],
        ["replay", "status"],
        ["pause", "default"],
        ["resume", "default"],
        ["dead-letters", "purge", "--reason", "invalid", "--yes"],
    ):
        command = [sys.executable, "-m", "forwarder.cli", *arguments]
        done = subprocess.run(command, env=guarded.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with logged_in(guarded, user) as client, pytest.raises(NoPermissionError):
        client.lpush("rq:queue:feedback", "x")


def test_an_ingest_that_lacks_a_right_says_so_in_its_log_and_what_mends_it(guarded: GuardedRig) -> None:
    guarded.redis.execute_command("ACL", "SETUSER", "ingest", "-hincrby", "clearselectors")
    guarded.variables |= {"FORWARDER_REDIS_URL": url_of(guarded, "ingest"), "FORWARDER_INGEST_PORT": "0"}
    with Ingest(guarded) as ingest:
        assert ingest.post({"trace_id": "t", "value": 1}).status_code == 503
    (said,) = [line for line in guarded.log.read_text().splitlines() if "appends_refused" in line]
    assert "lets this user not do that" in said
    assert "`forwarder doctor` names the rights that are missing" in said
