"""The buffered way: events wait in memory for a moment, and two threads bring them to Redis or to the disk."""

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Iterable
from typing import Final, Literal

from forwarder import clock, forks
from forwarder.client import lifecycle
from forwarder.client.appender import Appender
from forwarder.client.buffer import Added, Buffer
from forwarder.client.desk import RELIEF, Desk, count
from forwarder.client.drops import Drop, Drops, OnDrop
from forwarder.client.keeper import Keeper
from forwarder.client.outcome import FlushResult
from forwarder.errors import ForwarderError
from forwarder.feedback import Members
from forwarder.queue.chunk import Chunk
from forwarder.queue.handover import Handover
from forwarder.settings import Settings
from forwarder.spill.file import spill_file

Overflow = Literal["spill", "drop_newest", "drop_oldest", "block"]

JOIN_S: Final = 0.5
"""For the threads to end, once there is nothing left to do."""

_log = logging.getLogger("forwarder.client")


class Courier:
    """Takes events from any thread and sees to them.

    After a fork the child begins with nothing; what the parent had is the parent's.

    Args:
        settings: of the queue, the buffer and the spill file.
        source: of the events.
        overflow: what happens to an event for which the buffer has no room.
        block_s: longest wait for room, with `block`.
        on_drop: see `Drops`.
    """

    def __init__(
        self, settings: Settings, *, source: str, overflow: Overflow, block_s: float, on_drop: OnDrop | None
    ) -> None:
        self._settings = settings
        self._source = source
        self._overflow = overflow
        self._block_s = block_s
        self._on_drop = on_drop
        self._spill = spill_file(settings)
        self._closed = False
        self.begin_anew()
        lifecycle.watch(self, settings.client_exit_s)
        forks.register(self)
        if self._spill is not None and self._spill.path.exists():
            self._start()  # an earlier process may have left something to resend

    def hold(self) -> None:
        """See `forks`: a child uses nothing of ours, so that it may come at any time."""

    def go_on(self) -> None:
        """See `forks`."""

    def begin_anew(self) -> None:
        """See `forks`: an empty buffer, no threads, no connection."""
        settings = self._settings
        buffer = Buffer(
            self._source,
            settings.client_buffer_max_events,
            settings.client_buffer_max_bytes,
            clock.now_ms,
            settings.partition_counts,
        )
        spills = self._overflow == "spill" and self._spill is not None
        self._desk = Desk(
            buffer, linger_s=settings.client_linger_ms / 1_000, spills=spills, looks=self._spill is not None
        )
        self.drops = Drops(self._on_drop)
        self._appender = Appender(self._desk, Handover(settings), self._spill, self.drops, settings.caps)
        self._keeper = Keeper(self._desk, self._spill, settings.caps) if self._spill else None
        self._threads: list[threading.Thread] = []
        self._pid = os.getpid()
        if self._closed:
            buffer.close()

    def send(self, destination: str, event: bytes) -> None:
        """Take one event; never fails, and does not wait but for `block`."""
        desk = self._desk
        lost: list[Drop] = []
        with desk.lock:
            added = desk.buffer.add(destination, event)
            if added is Added.FULL:
                added = self._make_room(destination, event, lost)
            if added is not Added.FULL and desk.added(added) and not self._threads:
                self._start()
        if added is Added.OPEN and not lost:
            return
        for drop in lost:
            self.drops.add(drop)
        if added is Added.SEALED and desk.buffer.fill > RELIEF:
            time.sleep(0)  # lets the two threads have the interpreter; waits for nothing else

    def send_many(self, destination: str, events: Iterable[bytes]) -> int:
        """Take many; answers how many. What iterating raises goes to the caller."""
        number = 0
        for number, event in enumerate(events, 1):  # noqa: B007 - the last number is the answer
            self.send(destination, event)
        return number

    def refused(self, destination: str, problem: str) -> None:
        """An event broke the model, and the caller wants it logged."""
        with self._desk.lock:
            self._desk.tally.refused += 1
        self.drops.add(Drop(destination, "invalid", Members(b"", 1)), problem)

    def flush(self, timeout_s: float) -> FlushResult:
        """Wait until what was given is appended, spilled or dropped, at most so long."""
        if self._threads:
            return self._desk.flush(timeout_s)
        with self._desk.lock:  # nothing was sent yet, or there can be no threads
            return self._desk.tell()

    @property
    def has_pending(self) -> bool:
        """Whether there is anything left to do in this process: events, or drops that nobody has been told of."""
        return self._pid == os.getpid() and (self._desk.pending > 0 or not self._is_done())

    def finish(self, timeout_s: float) -> FlushResult:
        """As `flush`; what is left then goes to the disk, and what the disk does not take is dropped."""
        until = time.monotonic() + timeout_s
        told = self.flush(timeout_s)
        if told.pending:
            with lifecycle.unbroken():
                told = self._leave(told)
        elif self._threads:
            self._desk.wait_for_redis(self._is_done, until - time.monotonic())
        with lifecycle.unbroken():
            self._note_drops()
        return told

    def _is_done(self) -> bool:
        """Whether nothing is left that only Redis can take, and nothing is on its way to it.

        What is on its way is on the disk as well, but under a claim: a process that ended now would leave it there for
        a while, though Redis is well.
        """
        desk = self._desk
        return not (desk.flight or desk.left_behind or self._appender.reports.wait)

    def close(self, timeout_s: float) -> FlushResult:
        """As `finish`; takes nothing more, and ends the threads."""
        with self._desk.lock:
            self._closed = True
            self._desk.buffer.close()
        told = self.finish(timeout_s)
        self.end_threads()
        if self._spill is not None and not any(thread.is_alive() for thread in self._threads):
            self._spill.close()
        return told

    def retire(self) -> None:
        """The threads end when they have seen to everything; to be called from anywhere, also a garbage collection."""
        self._desk.ending = True
        self._desk.ring()
        if not self._threads:
            lifecycle.forget(self)

    def end_threads(self) -> None:
        """Let the threads end, now that there is nothing left to do; waits a moment for it."""
        self.retire()
        until = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _append(self) -> None:
        self._appender.run()
        lifecycle.forget(self)

    def _start(self) -> None:
        runs = {"forwarder-appender": self._append}
        if self._keeper is not None:
            runs["forwarder-keeper"] = self._keeper.run
        try:
            for name, run in runs.items():
                thread = threading.Thread(target=run, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError as error:  # the process ends, or may have no more threads: what is left is kept at the end
            self._desk.asleep = not self._threads  # so that the next event tries again
            _log.debug("a thread cannot be started: %s", error)

    def _make_room(self, destination: str, event: bytes, lost: list[Drop]) -> Added:
        """The event did not fit; what became of it in the end, and what was lost. The desk's lock is held."""
        desk = self._desk
        added = Added.FULL
        desk.buffer.seal_all()  # what is there need not wait for more
        desk.added(Added.SEALED)
        if self._overflow == "block" and not self._closed:
            desk.changed.wait_for(lambda: desk.buffer.fill < 1 or self._closed, self._block_s)
            added = desk.buffer.add(destination, event)
        while added is Added.FULL and self._overflow == "drop_oldest" and not self._closed:
            oldest = desk.buffer.drop_oldest()
            desk.decided += oldest.members.count
            lost.append(Drop(oldest.destination, "buffer_full", oldest.members))
            added = desk.buffer.add(destination, event)
        if added is Added.FULL:
            lost.append(Drop(destination, "closed" if self._closed else desk.full, Members(event, 1)))
        desk.tally.dropped += sum(drop.events.count for drop in lost)
        return added

    def _leave(self, told: FlushResult) -> FlushResult:
        """The time is over: what is pending goes to the disk, or is lost."""
        desk = self._desk
        desk.stand_still(JOIN_S)
        kept = self._keeper is not None and self._keeper.keep_rest()
        with desk.lock:
            lost: list[Chunk] = []
            while not kept and (more := desk.take_all()):
                lost += more
            desk.decide(count(lost))
            late = desk.tell()
        for chunk in lost:
            self.drops.add(Drop(chunk.destination, "exit", chunk.members))
        return dataclasses.replace(
            told,
            appended=told.appended + late.appended,
            spilled=told.spilled + late.spilled,
            dropped=told.dropped + late.dropped + count(lost),
            refused=told.refused + late.refused,
            pending=late.pending,
        )

    def _note_drops(self) -> None:
        """What the ledger has not been told is kept beside the chunks, for the next process."""
        self.drops.log(now=True)
        untold = self._appender.reports.untold()
        if untold and self._spill is not None:
            try:
                self._spill.note_drops(untold)
            except ForwarderError as error:
                _log.warning("the ledger is not told of dropped feedback events: %s", error)
