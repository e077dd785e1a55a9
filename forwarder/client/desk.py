"""What the caller's threads and the two background threads share: the buffer, and what is in whose hands.

The lock is held for steps in memory alone, never for I/O, so that nobody who sends waits for Redis or a disk. It is
reentrant, because a garbage collection or a signal handler may send while its thread is inside. The bells are
SimpleQueues for the same reason: their `put` may interrupt itself.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from forwarder.client.buffer import Added, Buffer
from forwarder.client.outcome import FlushResult, Tally
from forwarder.client.trouble import Trouble
from forwarder.queue.chunk import Chunk

GRACE_S: Final = 0.05
"""An append that takes longer is written to the spill file too, until it is answered."""
LOOK_S: Final = 5.0
"""How often a client that has nothing to do looks whether something of another process waits in the spill file."""
ROUND_EVENTS: Final = 50_000
"""Most events in one round trip, or one transaction of the spill file: 100 full chunks."""
RELIEF: Final = 0.5
"""A buffer that is fuller than this is emptied to the disk as well."""

Bell = SimpleQueue[None]


@dataclass(slots=True)
class Flight:
    """What the appender waits for: an append, or, without chunks, another answer of Redis or of the disk.

    Attributes:
        chunks: on their way.
        began: by the monotonic clock (s).
        sent_ms: the same moment, in ms since 1970.
        copying: the keeper is writing them to the spill file, or has.
        copied: it has.
        told: a flush has told that they are spilled; whatever comes of the append is not told any more.
    """

    chunks: Sequence[Chunk]
    began: float
    sent_ms: int
    copying: bool = False
    copied: bool = False
    told: bool = False

    @property
    def is_stuck(self) -> bool:
        """Whether it takes long."""
        return time.monotonic() - self.began > GRACE_S


class Desk:
    """One client's events in one process.

    Args:
        buffer: an empty one.
        linger_s: longest stay of an event in a chunk that is not full.
        spills: whether the spill file takes what Redis does not.
        looks: whether there is a spill file at all.

    Attributes:
        lock: of everything here.
        changed: told when events have been decided on, and when there is room again.
        in_hand: events that the threads hold, in `flight` or on their way to the disk.
        decided: events whose fate is known, ever.
        trouble: whom to leave alone.
        flight: what the appender waits for.
        hurried: how many wait for a flush.
        asleep: whether each event must ring; so it is also before there are threads.
        resting: whether a whole chunk must.
        full: why the disk does not help: the reason of drops.
        spill_due: when to look into the spill file next (monotonic clock, s).
        left_behind: something that this process has put into the spill file may still be there.
        ending: the threads are to end once nothing is pending.
        over: the threads are to take nothing more from the buffer.
        ended: the appender has ended.
    """

    def __init__(self, buffer: Buffer, *, linger_s: float, spills: bool, looks: bool) -> None:
        self.buffer = buffer
        self.linger_s = linger_s
        self.spills = spills
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.bell: Bell = SimpleQueue()
        self.keeper_bell: Bell = SimpleQueue()
        self.tally = Tally()
        self.trouble = Trouble()
        self.flight: Flight | None = None
        self.in_hand = self.decided = self.hurried = 0
        self.asleep = True
        self.resting = False
        self.full = "buffer_full"
        self.spill_due = 0.0 if looks else math.inf
        self.left_behind = self.ending = self.over = self.ended = False

    @property
    def pending(self) -> int:
        """Events that are neither in Redis nor on the disk yet."""
        return self.buffer.events + self.in_hand - self._copied

    @property
    def _copied(self) -> int:
        """Events on their way to Redis that the spill file has too."""
        return count(self.flight.chunks) if self.flight is not None and self.flight.copied else 0

    def added(self, added: Added) -> bool:
        """An event came: wake the appender when it sleeps, or rests and there is a whole chunk; whether it slept."""
        if self.asleep:
            self.ring()
            return True
        if self.resting and added is Added.SEALED:
            self.resting = False
            self.bell.put(None)
        return False

    def ring(self) -> None:
        """Wake both threads."""
        self.asleep = self.resting = False
        self.bell.put(None)
        self.keeper_bell.put(None)

    def hold(self, chunks: Sequence[Chunk]) -> None:
        """Chunks have been taken out of the buffer."""
        self.in_hand += count(chunks)

    def decide(self, events: int) -> None:
        """So many events that were in hand have been appended, spilled or lost."""
        self.in_hand -= events
        self.decided += events
        self.changed.notify_all()

    def put_back(self, chunks: list[Chunk]) -> None:
        """Chunks that were in hand are in the buffer again."""
        self.in_hand -= count(chunks)
        self.buffer.restore(chunks)
        self.changed.notify_all()

    def spilled(self, chunks: Sequence[Chunk]) -> None:
        """The spill file has chunks that were in hand; what is to be told of them is the caller's."""
        self.leave_behind()
        self.decide(count(chunks))

    def leave_behind(self) -> None:
        """Something that this process has put into the spill file may still be there: it is looked for at once."""
        self.spill_due, self.left_behind = 0.0, True

    def looked_after(self) -> None:
        """Nothing in the spill file can be resent, unless the keeper has put something there meanwhile."""
        with self.lock:
            self.left_behind = self.spill_due == 0
            self.changed.notify_all()

    def wait_for_redis(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        """Wait until the appender has done something, or it is clear that Redis stays away."""
        with self.lock:
            self.changed.wait_for(lambda: is_done() or self.trouble.lasts, timeout_s)

    def stand_still(self, timeout_s: float) -> None:
        """The threads take nothing more; wait until they have put down what they have in hand."""
        with self.lock:
            self.over = True
            self.changed.wait_for(lambda: self.in_hand == self._copied, timeout_s)

    def take_all(self) -> list[Chunk]:
        """Up to ROUND_EVENTS of whatever is in the buffer, into the caller's hands."""
        self.buffer.seal_all()
        taken = self.buffer.take(ROUND_EVENTS)
        self.hold(taken)
        return taken

    def flush(self, timeout_s: float) -> FlushResult:
        """Wait until what was given is appended, spilled or dropped, and tell."""
        with self.lock:
            aim = self.decided + self.buffer.events + self.in_hand
            self.hurried += 1
            self.trouble.hurry()
            self.ring()
            try:
                self.changed.wait_for(lambda: self.decided + self._copied >= aim or not self.pending, timeout_s)
            finally:  # Ctrl-C may break it off, and nobody waits then
                self.hurried -= 1
            return self.tell()

    def tell(self) -> FlushResult:
        """What became of the events since the last time; what is copied is spilled."""
        if self.flight is not None and self.flight.copied and not self.flight.told:
            self.flight.told = True
            self.tally.spilled += count(self.flight.chunks)
        return self.tally.told(self.pending)


def count(chunks: Sequence[Chunk]) -> int:
    """The events in chunks."""
    return sum(chunk.members.count for chunk in chunks)


def listen(bell: Bell, timeout_s: float) -> None:
    """Sleep until it rings; once is enough, however often it rang."""
    try:
        bell.get(timeout=timeout_s)
        while True:
            bell.get_nowait()
    except Empty:
        return
