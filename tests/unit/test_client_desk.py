"""What the threads of a client share: who waits for whom, and where an event is while it is in somebody's hands."""

import signal
import threading
from pathlib import Path
from types import FrameType

import pytest

from forwarder import clock
from forwarder.client.buffer import Buffer
from forwarder.client.desk import Desk, Flight
from forwarder.client.keeper import Keeper
from forwarder.feedback import Members
from forwarder.queue.caps import Caps
from forwarder.queue.chunk import Chunk
from forwarder.queue.codec import BodyCodec, Form
from forwarder.spill.file import SpillFile

EVENT = b'{"trace_id":"t1","value":1}'
SENT = Chunk("default", "c1", Members(EVENT, 1), "shop", 1)


@pytest.fixture
def desk() -> Desk:
    return Desk(Buffer("shop", 100, 1_000_000, clock.now_ms), linger_s=60, spills=True, looks=True)


def spill_file(folder: Path, form: Form) -> SpillFile:
    path, codec = folder / "spill.sqlite3", BodyCodec([form])
    return SpillFile(path, max_bytes=1_048_576, key_prefix="feedback:", dedupe_ttl_s=60, codec=codec)


class BrokenOff(Exception):
    """As KeyboardInterrupt, but no end of the tests."""


def test_a_flush_that_is_broken_off_is_not_waited_for_any_more(desk: Desk) -> None:
    def break_off(_signum: int, _frame: FrameType | None) -> None:
        raise BrokenOff

    desk.buffer.add("default", EVENT)
    usual = signal.signal(signal.SIGUSR2, break_off)
    main = threading.get_ident()
    told = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGUSR2))
    try:
        told.start()
        with pytest.raises(BrokenOff):
            desk.flush(60)
    finally:
        told.join()
        signal.signal(signal.SIGUSR2, usual)

    assert desk.hurried == 0, "who is hurried looks a hundred times a second"


class Failing:
    """A form that cannot be written, the first time."""

    name = "failing"

    def __init__(self) -> None:
        self._fails = True

    def write(self, plain: bytes) -> bytes:
        if self._fails:
            self._fails = False
            raise BrokenOff
        return plain

    def read(self, name: str, data: bytes) -> bytes | None:
        return data if name == self.name else None


def test_events_that_could_not_be_written_are_still_there(desk: Desk, tmp_path: Path) -> None:
    spill = spill_file(tmp_path, Failing())
    keeper = Keeper(desk, spill, Caps())
    desk.buffer.add("default", EVENT)

    with pytest.raises(BrokenOff):
        keeper.keep_rest()

    assert (desk.buffer.events, desk.in_hand) == (1, 0)
    assert keeper.keep_rest()
    assert spill.count().events == 1
    spill.close()


class Answered:
    """A form that takes its time: Redis answers while a body is being written."""

    name = "slow"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def write(self, plain: bytes) -> bytes:
        self._desk.flight = None
        return plain

    def read(self, name: str, data: bytes) -> bytes | None:
        return data if name == self.name else None


def test_a_copy_that_is_written_after_redis_has_answered_is_looked_for_at_once(desk: Desk, tmp_path: Path) -> None:
    spill = spill_file(tmp_path, Answered(desk))
    desk.hold([SENT])
    desk.flight = Flight([SENT], began=0.0, sent_ms=1)

    assert Keeper(desk, spill, Caps()).keep_rest()

    assert spill.count().chunks == 1
    spill.close()
    assert desk.left_behind, "a process must not end before it is removed: in an hour Redis would not know it any more"
    assert desk.spill_due == 0
