"""One run of a drain: its lease, and whether it is over."""

import asyncio
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

from workers.stop import HURRY, STOP, worker_pid

QUIET_S: Final = 0.2
"""Without anything to do, a drain gives way at once to jobs for which no worker is free."""


class HandBack(Exception):
    """The session ends before the batch has its outcome."""


@dataclass
class Session:
    """What a drain knows of its own run.

    Attributes:
        destination: whose stream is drained.
        slot: the lease that is held.
        token: its value, and the consumer's name.
        idle_s: quiet time after which the session ends.
        longest_s: after which it ends anyway.
        partition: which of the destination's.
        in_flight: batches that have no outcome yet.
        lingers: whether a batch waits for more entries; that may be longer than the quiet time.
        in_doubt: whether something may have been sent that could not be settled.
        redis_away: whether Redis did not answer when it was asked last.
        opening: whether the stream was not read yet.
        paused: whether nothing can be sent for now; what is in flight then waits at the gate.
        ending: set when it is over; whoever waits, waits for this too.
        reason: why it is over.
    """

    destination: str
    slot: int
    token: str
    idle_s: float
    longest_s: float
    partition: int = 0
    in_flight: int = 0
    lingers: bool = False
    in_doubt: bool = False
    redis_away: bool = False
    opening: bool = False
    paused: bool = False
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    _worker_pid: int = field(default_factory=worker_pid)
    _began: float = field(default_factory=time.monotonic)
    _busy_at: float = field(default_factory=time.monotonic)

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way, and nothing was read lately."""
        at_work = self.in_flight or self.lingers or self.opening
        return not at_work and time.monotonic() - self._busy_at > QUIET_S

    @property
    def hurried(self) -> bool:
        """Whether somebody waits for the end."""
        return STOP.is_set() or os.getppid() != self._worker_pid

    @property
    def at_once(self) -> bool:
        """Whether they asked twice."""
        return HURRY.is_set()

    def busy(self) -> None:
        """Something was read."""
        self._busy_at = time.monotonic()

    def end(self, reason: str) -> None:
        """It is over; the first reason counts."""
        if not self.ending.is_set():
            self.reason = reason
            self.ending.set()

    def over(self) -> bool:
        """Whether to stop reading; looks at the signals, the worker, the clock and the quiet."""
        if (self.in_flight or self.lingers or self.opening) and not self.paused:
            self.busy()
        if STOP.is_set():
            self.end("the worker was asked to stop")
        elif os.getppid() != self._worker_pid:
            self.end("the worker died")
        elif self.age_s > self.longest_s:
            self.end("the session has run its time")
        elif time.monotonic() - self._busy_at > self.idle_s:
            self.end("the stream is idle")
        return self.ending.is_set()

    def go_on(self) -> None:
        """Nothing new is begun in a session that is over.

        Raises:
            HandBack: it is.
        """
        if self.ending.is_set():
            raise HandBack

    async def unless_over(self, wanted: Awaitable[object]) -> None:
        """Wait for something, unless the session ends.

        Raises:
            HandBack: it ended first.
        """
        waiting = [asyncio.ensure_future(wanted), asyncio.create_task(self.ending.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not waiting[0].done():
                raise HandBack
        finally:
            for task in waiting:
                task.cancel()

    async def sleep(self, seconds: float) -> None:
        """Wait, unless the session ends.

        Raises:
            HandBack: it ended meanwhile.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.ending.wait()
        except TimeoutError:
            return
        raise HandBack
