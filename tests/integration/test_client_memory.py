"""Complaint: memory grows when the backend is down."""

import threading

import pytest

from forwarder import Drop
from tests.integration.conftest import StartRig
from tests.support.programs import queued, run_program
from tests.support.rig import Rig
from tests.support.waiting import eventually

GROWTH = """
import resource
def peak_mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
client = FeedbackClient({options})
client.send(trace_id="first", value=1)
first = client.flush(0.2)
before = peak_mb()
for number in range({count}):
    client.send(trace_id=f"a-{{number}}", value=1, text="x" * 200)
grown = peak_mb() - before
told = client.close(1)
print(grown, told.dropped, first.spilled + told.spilled)
"""


@pytest.mark.parametrize("options", ["", "overflow='drop_oldest'", "overflow='drop_newest'"])
def test_what_a_client_holds_is_bounded(start_rig: StartRig, options: str) -> None:
    """300,000 events of 250 bytes, 75 MB, with a buffer of 8 MB and a file of 16."""
    rig = start_rig(FORWARDER_CLIENT_BUFFER_MAX_BYTES="8000000", FORWARDER_SPILL_MAX_BYTES="16000000")
    rig.kill_server()
    done = run_program(rig, GROWTH.format(options=options, count=300_000))
    assert done.returncode == 0, done.stderr
    grown_mb, dropped, spilled = done.stdout.split()
    assert float(grown_mb) < 60
    assert int(dropped) + int(spilled) == 300_001
    assert int(spilled) > 10_000
    assert (rig.settings.data_dir / "spill.sqlite3").stat().st_size <= 16_000_000


def test_events_of_eight_threads_all_arrive(rig: Rig) -> None:
    """`make behaviour CASE=producers` does it with a million, and looks at the memory."""
    client = rig.client(mode="buffered")

    def produce(name: int) -> None:
        for number in range(12_500):
            client.send(trace_id=f"t{name}-{number}", value=1)

    threads = [threading.Thread(target=produce, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = client.close(60)
    assert (told.dropped, told.pending, told.appended + told.spilled) == (0, 0, 100_000)
    assert eventually(lambda: rig.books()["accepted"]) == 100_000
    assert len(set(queued(rig))) == 100_000


@pytest.mark.parametrize(("overflow", "kept"), [("drop_newest", "a-0"), ("drop_oldest", "a-9"), ("block", "a-0")])
def test_a_full_buffer_does_what_it_was_told_and_says_so(start_rig: StartRig, overflow: str, kept: str) -> None:
    """It holds three, and what the appender has in hand comes on top for the moment of its try."""
    rig = start_rig(FORWARDER_CLIENT_BUFFER_MAX_EVENTS="3", FORWARDER_SPILL_MAX_BYTES="0")
    rig.kill_server()
    drops: list[Drop] = []
    client = rig.client(mode="buffered", overflow=overflow, block_s=0.01, on_drop=drops.append)
    for number in range(10):
        client.send(trace_id=f"a-{number}", value=1)
    told = client.flush(timeout_s=0.1)
    assert told.dropped + told.pending == 10
    assert 3 <= told.pending <= 6
    assert {drop.reason for drop in drops} == {"buffer_full"}
    assert sum(drop.events.count for drop in drops) == told.dropped
    rig.server.start()
    assert client.close().appended == told.pending
    assert len(queued(rig)) == told.pending
    assert kept in queued(rig)
    assert rig.books()["dropped:buffer_full"] == told.dropped


def test_a_blocked_caller_goes_on_when_there_is_room(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_CLIENT_BUFFER_MAX_EVENTS="10")
    client = rig.client(mode="buffered", overflow="block", block_s=60)
    for number in range(1_000):
        client.send(trace_id=f"a-{number}", value=1)
    assert client.close().appended == 1_000
    assert len(set(queued(rig))) == 1_000
