"""What Redis does not take waits in the spill file, and comes to the queue once, by this process or the next one."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from forwarder import Drop, FeedbackClient
from forwarder.errors import QueueFull
from forwarder.spill.file import SpillFile, spill_file
from tests.integration.conftest import StartRig
from tests.support.programs import queued, run_program, sent, started_program, wait_for
from tests.support.rig import Rig
from tests.support.waiting import eventually


@contextmanager
def client_of(rig: Rig, **options: object) -> Iterator[FeedbackClient]:
    client = rig.client(mode="buffered", **options)
    try:
        yield client
    finally:
        client.close(timeout_s=5)


@pytest.fixture
def spill(rig: Rig) -> Iterator[SpillFile]:
    """The spill file, as another process sees it."""
    file = spill_file(rig.settings)
    assert file
    yield file
    file.close()


def send(client: FeedbackClient, prefix: str, count: int, **options: str) -> None:
    for number in range(count):
        client.send(trace_id=f"{prefix}-{number}", value=1, **options)  # type: ignore[arg-type]  # a destination


def test_an_outage_is_bridged_by_the_file_and_the_first_times_stay(rig: Rig, spill: SpillFile) -> None:
    with client_of(rig, source="shop") as client:
        send(client, "before", 1_200)
        assert client.flush().appended == 1_200
        rig.kill_server()
        began_ms = time.time_ns() // 1_000_000
        send(client, "during", 1_200)
        assert client.flush().spilled == 1_200
        ended_ms = time.time_ns() // 1_000_000
        rig.server.start()
        assert eventually(lambda: spill.count().chunks == 0)
        send(client, "after", 1_200)
        assert client.flush().safe
    arrived = queued(rig)
    assert sorted(arrived) == sent("before", "during", "after", count=1_200)
    entries: Any = rig.redis.xrange(rig.keys.events)
    times = [int(fields[b"at"]) for _, fields in entries if b"during" in fields[b"body"]]
    assert times == sorted(times)
    assert all(began_ms <= at <= ended_ms for at in times)
    assert rig.books()["ambiguous"] == 0


def test_a_redis_that_hangs_holds_nobody_up_and_stores_nothing_twice(rig: Rig, spill: SpillFile) -> None:
    with client_of(rig) as client:
        client.thumbs_up("first-0")
        client.flush()
        with rig.frozen_server():
            send(client, "slow", 600)
            assert eventually(lambda: spill.count().events >= 600)
            assert client.flush(timeout_s=0.1).pending in (0, 500, 600)  # whatever the append holds
        assert eventually(lambda: len(queued(rig)) >= 601)
        assert eventually(lambda: spill.count().chunks == 0)
    assert sorted(queued(rig)) == sorted([*sent("first", count=1), *sent("slow", count=600)])


def test_a_full_queue_is_waited_for(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="1000")
    spill = spill_file(rig.settings)
    assert spill
    with client_of(rig) as client:
        send(client, "a", 1_000)
        assert client.flush().appended == 1_000
        with pytest.raises(QueueFull):
            rig.client().thumbs_up("refused")
        send(client, "b", 700)
        assert client.flush().spilled == 700
        rig.redis.delete(rig.keys.events, rig.keys.ledger)
        assert eventually(lambda: len(queued(rig)) == 700)
        assert sorted(queued(rig)) == sent("b", count=700)
    spill.close()


def test_a_destination_that_is_full_does_not_hold_up_another(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="100", FORWARDER_DESTINATIONS__EU__API_KEY="x")
    with client_of(rig) as client:
        send(client, "a", 100, destination="eu")
        client.flush()
        send(client, "late", 50, destination="eu")
        send(client, "b", 100)
        told = client.flush()
        assert (told.appended, told.spilled) == (100, 50)
        assert sorted(queued(rig)) == sent("b", count=100)


def test_a_redis_that_does_not_know_us_is_waited_for(rig: Rig) -> None:
    rig.redis.config_set("requirepass", "secret")
    try:
        with client_of(rig) as client:
            send(client, "a", 10)
            assert client.flush().spilled == 10
            rig.redis.config_set("requirepass", "")
            assert eventually(lambda: sorted(queued(rig)) == sent("a", count=10))
    finally:
        rig.redis.config_set("requirepass", "")


def test_what_a_killed_process_spilled_the_next_one_sends(rig: Rig, spill: SpillFile) -> None:
    rig.kill_server()
    with started_program(
        rig, "client = FeedbackClient()\nsend(client, 'a', 3000)\nsay('sent')\ntime.sleep(60)"
    ) as killed:
        wait_for(killed, "sent")
        assert eventually(lambda: spill.count().events == 3_000)
        os.kill(killed.pid, signal.SIGKILL)
    rig.server.start()
    with client_of(rig):
        assert eventually(lambda: sorted(queued(rig)) == sent("a", count=3_000))


def test_four_processes_resend_one_file_and_each_event_arrives_once(rig: Rig) -> None:
    rig.kill_server()
    for number in range(3):
        done = run_program(rig, f"client = FeedbackClient()\nsend(client, 'p{number}', 20_000)")
        assert done.returncode == 0, done.stderr
    rig.server.start()
    with ExitStack() as running:
        for _ in range(4):
            running.enter_context(started_program(rig, "client = FeedbackClient()\ntime.sleep(60)"))
        assert eventually(lambda: rig.books()["accepted"] >= 60_000)
        spill = spill_file(rig.settings)
        assert spill
        assert eventually(lambda: spill.count().chunks == 0)
        spill.close()
    assert sorted(queued(rig)) == sent("p0", "p1", "p2", count=20_000)


def test_processes_that_are_killed_while_they_resend_neither_lose_nor_double(rig: Rig, spill: SpillFile) -> None:
    rig.kill_server()
    done = run_program(rig, "client = FeedbackClient()\nsend(client, 'a', 50_000)")
    assert done.returncode == 0, done.stderr
    rig.server.start()
    for _ in range(6):
        before = spill.count().chunks
        with started_program(rig, "client = FeedbackClient()\ntime.sleep(60)") as resender:
            eventually(lambda before=before: spill.count().chunks < before, within_s=2)  # type: ignore[misc]
            os.kill(resender.pid, signal.SIGKILL)
    with sqlite3.connect(spill.path) as db:
        db.execute("UPDATE chunks SET claimed_until_ms = 0")  # as if half a minute had passed
    db.close()
    with client_of(rig):
        assert eventually(lambda: spill.count().chunks == 0)
    assert sorted(queued(rig)) == sent("a", count=50_000)


def test_a_chunk_whose_trace_is_gone_is_sent_all_the_same_and_counted(start_rig: StartRig) -> None:
    """It was appended, its answer was lost, and it lay in the file for longer than Redis remembers."""
    rig = start_rig(FORWARDER_DEDUPE_TTL_S="1")
    spill = spill_file(rig.settings)
    assert spill
    code = "client = FeedbackClient()\nclient.thumbs_up('first-0')\nclient.flush()\nsay('up')\nsys.stdin.readline()\n"
    with started_program(rig, code + "send(client, 'a', 500)\ntime.sleep(60)") as killed:
        wait_for(killed, "up")
        with rig.frozen_server():
            print(file=killed.stdin, flush=True)
            assert eventually(lambda: spill.count().events == 500)
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
    assert eventually(lambda: len(queued(rig)) == 501)  # what the frozen server still read of the killed one
    with sqlite3.connect(spill.path) as db:
        ((doubtful_from_ms,),) = db.execute("SELECT doubtful_from_ms FROM chunks").fetchall()
    db.close()
    assert eventually(lambda: not rig.redis.keys("*chunk*") and time.time_ns() // 1_000_000 > doubtful_from_ms)
    with client_of(rig):
        assert eventually(lambda: spill.count().chunks == 0)
    assert sorted(queued(rig)) == sorted(["first-0", *2 * sent("a", count=500)])
    assert rig.books()["ambiguous"] == 500
    spill.close()


def test_a_folder_that_cannot_be_written_is_no_error_for_the_caller(start_rig: StartRig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rig = start_rig(FORWARDER_SPILL_PATH=str(tmp_path / "file" / "spill.sqlite3"))
    rig.kill_server()
    with client_of(rig) as client:
        send(client, "a", 700)
        assert client.flush(timeout_s=0.3).pending == 700
        rig.server.start()
        assert client.flush().appended == 700
    rig.kill_server()
    done = run_program(rig, "import logging; logging.basicConfig()\nclient = FeedbackClient()\nsend(client, 'b', 10)")
    assert done.returncode == 0
    assert "dropped: 10 (exit)" in done.stderr
    assert "set FORWARDER_SPILL_PATH" in done.stderr


def test_a_disk_without_room_is_a_counted_drop(start_rig: StartRig) -> None:
    """The cap and a full disk are the same to SQLite."""
    rig = start_rig(FORWARDER_SPILL_MAX_BYTES="300000", FORWARDER_CLIENT_BUFFER_MAX_EVENTS="1000")
    rig.kill_server()
    drops: list[Drop] = []
    with client_of(rig, on_drop=drops.append) as client:
        send(client, "a", 20_000)
        told = client.flush(timeout_s=0.5)
        assert told.dropped == sum(drop.events.count for drop in drops) > 0
        assert told.spilled > 0
        assert told.dropped + told.spilled + told.pending == 20_000
        rig.server.start()
        assert eventually(lambda: rig.books()["accepted"] == 20_000 - told.dropped)
        reasons = {drop.reason for drop in drops}
        assert reasons <= {"spill_full", "buffer_full"}
        assert eventually(lambda: sum(rig.books()[f"dropped:{reason}"] for reason in reasons) == told.dropped)


def test_drops_of_a_process_that_ended_without_redis_come_to_the_ledger_by_the_next(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_CLIENT_BUFFER_MAX_EVENTS="1")
    rig.kill_server()
    code = "client = FeedbackClient(overflow='drop_newest')\nsend(client, 'a', 10)\n"
    done = run_program(rig, code + "told = client.close(0.1)\nprint(told.dropped, told.spilled)")
    assert done.returncode == 0, done.stderr
    dropped, spilled = map(int, done.stdout.split())
    assert dropped + spilled == 10
    assert dropped > 0
    rig.server.start()
    with client_of(rig):
        assert eventually(lambda: rig.books()["dropped:buffer_full"]) == dropped
        assert eventually(lambda: len(queued(rig)) == spilled)


def test_no_spill_file_when_none_is_wanted(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_SPILL_MAX_BYTES="0")
    rig.kill_server()
    with client_of(rig) as client:
        send(client, "a", 10)
        assert client.flush(timeout_s=0.2).pending == 10
        rig.server.start()
        assert client.flush().appended == 10
    assert not list(rig.settings.data_dir.glob("spill*"))
