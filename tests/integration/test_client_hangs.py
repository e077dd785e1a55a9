"""Complaint: flush() or shutdown hangs for ever; the app stalls when the collector is down."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forwarder import FeedbackClient
from forwarder.paths import DataDir
from forwarder.spill.file import spill_file
from tests.integration.conftest import StartRig
from tests.support.programs import HOLDS, queued, run_program, sent, started_program, wait_for
from tests.support.rig import Rig
from tests.support.slow import Slow
from tests.support.waiting import eventually

BOUND_S = 30
"""Far above every bound of ours, far below for ever."""


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "silent"))
        server.listen(100)
        yield f"unix://{tmp_path / 'silent'}"


def test_no_call_waits_for_a_server_that_does_not_answer(start_rig: StartRig, silent: str) -> None:
    rig = start_rig(FORWARDER_REDIS_URL=silent, FORWARDER_REDIS_TIMEOUT_S="1")
    client = rig.client(mode="buffered")
    for number in range(20_000):
        client.send(trace_id=f"a-{number}", value=1)
    told = client.close(timeout_s=3)
    assert told.spilled == 20_000
    spill = spill_file(rig.settings)
    assert spill
    assert spill.count().events == 20_000
    spill.close()


@pytest.mark.parametrize("end", ["", "os._exit(0)", "os.kill(os.getpid(), 15); time.sleep(60)", "client.close()"])
def test_no_end_of_a_process_waits_for_ever(start_rig: StartRig, silent: str, end: str) -> None:
    rig = start_rig(FORWARDER_REDIS_URL=silent, FORWARDER_CLIENT_EXIT_S="0.5", **HOLDS)
    done = run_program(rig, f"client = FeedbackClient()\nsend(client, 'a', 700)\n{end}", within_s=BOUND_S)
    assert done.returncode in (0, -signal.SIGTERM), done.stderr
    spill = spill_file(rig.settings)
    assert spill
    assert spill.count().events == 700
    spill.close()


def test_a_flush_ends_in_its_time_and_says_what_is_pending(start_rig: StartRig, silent: str) -> None:
    rig = start_rig(FORWARDER_REDIS_URL=silent, FORWARDER_SPILL_MAX_BYTES="0")
    code = """
client = FeedbackClient()
client.thumbs_up("a-0")
print(client.flush(timeout_s=0.2).pending)
told = client.close(timeout_s=0.2)
print(told.pending + told.dropped)
"""
    done = run_program(rig, code, within_s=BOUND_S)
    assert done.stdout.split() == ["1", "1"], done.stderr


def test_flushes_of_many_threads_all_end(rig: Rig) -> None:
    client = rig.client(mode="buffered")
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            client.thumbs_up("busy")
            stop.wait(0.0005)

    senders = [threading.Thread(target=busy) for _ in range(3)]
    told: list[int] = []
    flushers = [threading.Thread(target=lambda: told.append(client.flush(BOUND_S).dropped)) for _ in range(10)]
    for thread in senders + flushers:
        thread.start()
    for thread in flushers:
        thread.join(BOUND_S)
    assert told == [0] * 10  # though others go on sending
    stop.set()
    for thread in senders:
        thread.join()
    assert client.close().safe


def test_a_disk_that_hangs_does_not_keep_events_from_redis(rig: Rig) -> None:
    client = rig.client(mode="buffered")
    spill = spill_file(rig.settings)
    assert spill
    spill.put([])
    with spill._transaction():  # another process that does not let go of the file
        for number in range(700):
            client.send(trace_id=f"a-{number}", value=1)
        assert client.flush().appended == 700
    spill.close()
    assert sorted(queued(rig)) == sent("a", count=700)
    client.close()


def test_a_disk_that_fails_is_no_trouble_of_redis(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("forwarder.spill.file.BUSY_S", 0.1)
    with Slow(rig.folder / "slow.sock", DataDir(rig.settings.data_dir).socket, late_s=0.7) as slow:
        rig.variables["FORWARDER_REDIS_URL"] = slow.url
        client, spill = rig.client(mode="buffered"), spill_file(rig.settings)
        assert spill
        spill.put([])
        with spill._transaction():  # another process that does not let go of the file
            client.thumbs_up("a-0")  # is under way for so long that a copy is wanted
            assert client.flush(BOUND_S).appended == 1
            assert eventually(lambda: "are left there for now" in caplog.text), caplog.text
        assert "the appender failed" not in caplog.text
        client.thumbs_up("a-1")
        assert client.close(BOUND_S).safe
    spill.close()
    assert sorted(queued(rig)) == sent("a", count=2)


def test_send_returns_while_the_server_is_frozen_and_everything_arrives_later(rig: Rig) -> None:
    client = rig.client(mode="buffered")
    client.thumbs_up("first-0")
    client.flush()
    with rig.frozen_server():
        slowest = 0.0
        for number in range(5_000):
            began = time.monotonic()
            client.send(trace_id=f"a-{number}", value=1)
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < rig.settings.redis_timeout_s  # none has waited for an answer
    assert eventually(lambda: len(queued(rig)) == 5_001)
    client.close()
    assert len(set(queued(rig))) == 5_001


def test_a_signal_while_a_flush_waits_ends_the_process(start_rig: StartRig, silent: str) -> None:
    rig = start_rig(FORWARDER_REDIS_URL=silent, FORWARDER_SPILL_MAX_BYTES="0", FORWARDER_CLIENT_EXIT_S="0.5")
    code = "client = FeedbackClient()\nsend(client, 'a', 10)\nsay('flushing')\nclient.flush(600)"
    with started_program(rig, code) as program:
        wait_for(program, "flushing")
        program.terminate()
        assert program.wait(BOUND_S) == -signal.SIGTERM


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, no folder, nothing set: neither the constructor nor the first call minds."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    client = FeedbackClient()
    client.thumbs_up("a-0")
    client.close(timeout_s=0)


def test_a_flush_before_anything_was_sent_is_no_obstacle(rig: Rig) -> None:
    client = rig.client(mode="buffered")
    assert client.flush().safe
    client.thumbs_up("a-0")
    assert eventually(lambda: queued(rig)) == ["a-0"]
    client.close()


def test_a_process_that_may_have_no_more_threads_keeps_its_events(rig: Rig) -> None:
    code = """
def no_thread(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = no_thread
client = FeedbackClient()
send(client, "a", 700)
"""
    done = run_program(rig, code)
    assert done.returncode == 0, done.stderr
    client = rig.client(mode="buffered")
    assert eventually(lambda: sorted(queued(rig)) == sent("a", count=700))
    client.close()


def test_a_direct_call_gives_up_in_time(start_rig: StartRig, silent: str) -> None:
    """redis-py's own retries would try 16 times."""
    rig = start_rig(FORWARDER_REDIS_URL=silent, FORWARDER_REDIS_TIMEOUT_S="0.2")
    code = "client = FeedbackClient(mode='direct')\ntry:\n    client.thumbs_up('a-0')\n"
    code += "except Exception as error: print(error)"
    done = run_program(rig, code, within_s=12)
    assert "cannot be reached" in done.stdout
