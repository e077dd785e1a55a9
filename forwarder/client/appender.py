"""The thread that speaks with Redis: appends what is buffered, and resends what lies in the spill file.

It never writes to the disk, which is the keeper's: so events go on to Redis while a disk hangs, and to the disk while
Redis hangs. What Redis does not take goes back into the buffer, whose events the keeper fetches while Redis is away.
"""

import logging
import random
import time
from typing import Final

from forwarder import clock
from forwarder.client.desk import LOOK_S, ROUND_EVENTS, Desk, Flight, count, listen
from forwarder.client.drops import LOG_EVERY_S, Drops
from forwarder.client.reports import Reports
from forwarder.client.trouble import AWAY
from forwarder.errors import ForwarderError
from forwarder.queue.caps import Caps
from forwarder.queue.handover import Handed, Handover
from forwarder.spill.file import SpillFile
from forwarder.spill.resend import resend

IDLE_S: Final = 1.0
"""After so long without events the threads sleep until one comes."""
SHORT_REST_S: Final = 0.01
"""While somebody waits for a flush."""

_LEFT_THERE: Final = "feedback events in the spill file are left there for now: %s"

_log = logging.getLogger("forwarder.client")


class Appender:
    """One process's one.

    Args:
        desk: where the events are.
        handover: the line to Redis.
        spill: where those are that could not be appended.
        drops: what the ledger is to be told.
        caps: how long Redis knows an append.

    Attributes:
        reports: of drops.
    """

    def __init__(self, desk: Desk, handover: Handover, spill: SpillFile | None, drops: Drops, caps: Caps) -> None:
        self._desk = desk
        self._handover = handover
        self._spill = spill
        self._drops = drops
        self._caps = caps
        self.reports = Reports(drops, desk, handover)
        self._busy_at = time.monotonic()
        self._warned_at = -LOG_EVERY_S

    def run(self) -> None:
        """Work until the desk says that it is the end and nothing is pending."""
        while True:
            try:
                worked = self._turn()
            except Exception:  # a bug of ours: events stay, and are tried again
                _log.exception("the appender failed and goes on")
                self._struck(AWAY)
                worked = False
            if not worked and not self._rest():
                break
        self._desk.ended = True
        self._desk.keeper_bell.put(None)
        self._handover.close()

    def _turn(self) -> bool:
        """One append, one resend, what there is of each; whether there was any."""
        if self._is_away():
            return False
        fresh = self._append()
        resent = not self._is_away() and self._resend()
        if not self._is_away() and (trouble := self.reports.tell()):
            self._warn(trouble)
        return fresh or resent

    def _append(self) -> bool:
        flight = self._take()
        if flight is None:
            return False
        try:
            handed = self._handover.hand_over(flight.chunks)
        except BaseException:
            self._put_down(flight, Handed(unanswered=flight.chunks))
            raise
        self._learn(handed)
        if self._put_down(flight, handed) and self._spill is not None:
            self._remove_copy(self._spill, handed)
        return True

    def _remove_copy(self, spill: SpillFile, handed: Handed) -> None:
        """Take what Redis has out of the spill file; what cannot be is resent, and Redis knows that it has it."""
        try:
            spill.done(handed.stored)
        except ForwarderError as error:
            with self._desk.lock:
                self._desk.leave_behind()
            self._say(_LEFT_THERE, error)
        finally:
            self._landed()

    def _take(self) -> Flight | None:
        desk = self._desk
        with desk.lock:
            now = time.monotonic()
            if desk.over:
                return None
            if desk.hurried or desk.ending:
                desk.buffer.seal_all()
            else:
                desk.buffer.seal_due(int(desk.linger_s * 1_000))
            chunks = desk.buffer.take(ROUND_EVENTS, without=desk.trouble.refusing(now))
            if not chunks:
                return None
            desk.hold(chunks)
            desk.flight = Flight(chunks, now, clock.now_ms())
            self._busy_at = now
            return desk.flight

    def _put_down(self, flight: Flight, handed: Handed) -> bool:
        """Book an append; whether the spill file has, or may have, a copy of what was stored, which is to go next."""
        desk = self._desk
        back = [chunk.doubted(flight.sent_ms, self._caps) for chunk in handed.unanswered] + list(handed.refused)
        with desk.lock:
            leaves_copy = flight.copying and bool(handed.stored)
            desk.flight = Flight((), time.monotonic(), clock.now_ms()) if leaves_copy else None
            if not flight.told:
                desk.tally.appended += count(handed.stored)
                desk.tally.spilled += count(back) if flight.copied else 0
            desk.decide(count(handed.stored))
            if back and flight.copied:
                desk.spilled(back)
            elif back:
                desk.put_back(back)
        return leaves_copy

    def _landed(self) -> None:
        """Nothing is under way any more."""
        with self._desk.lock:
            self._desk.flight = None
            self._desk.changed.notify_all()

    def _resend(self) -> bool:
        """Append a little of what lies in the spill file; whether there was something."""
        desk, spill = self._desk, self._spill
        if spill is None or time.monotonic() < desk.spill_due:
            return False
        if desk.ending and not desk.left_behind:
            return False  # what others have left is for those who live on
        with desk.lock:
            desk.spill_due = time.monotonic() + LOOK_S  # unless the keeper puts something meanwhile
            desk.flight = Flight((), time.monotonic(), clock.now_ms())
            without = desk.trouble.refusing(time.monotonic())
        try:
            handed = resend(spill, self._handover, self._caps, without=sorted(without))
            if not handed.away:
                self._drops.back(spill.take_drops())
        except ForwarderError as error:
            self._say(_LEFT_THERE, error)
            handed = Handed()
        finally:
            self._landed()
        if handed != Handed():
            self._learn(handed)
        if handed.stored or handed.refusal or handed.away:
            desk.spill_due = 0.0  # there is more, or may be
        else:
            desk.looked_after()
        return bool(handed.stored)

    def _learn(self, handed: Handed) -> None:
        """Who is to be left alone, and who is well."""
        desk = self._desk
        if handed.away:
            self._struck(AWAY, handed.away)
            return
        for destination in {chunk.destination for chunk in handed.refused}:
            self._struck(destination, handed.refusal)
        with desk.lock:
            well = [desk.trouble.well(whom) for whom in {AWAY, *(chunk.destination for chunk in handed.stored)}]
        if any(well):
            desk.spill_due = 0.0
            _log.info("Redis takes feedback events again")

    def _struck(self, whom: str, trouble: str = "") -> None:
        with self._desk.lock:
            self._desk.trouble.struck(whom, time.monotonic(), random.random())  # noqa: S311 - jitter
            self._desk.changed.notify_all()
        if trouble:
            self._warn(trouble)

    def _warn(self, trouble: str) -> None:
        where = f"kept in {self._spill.path}" if self._spill and self._desk.spills else "kept in memory"
        self._say("feedback events cannot be appended and are %s until they can: %s", where, trouble)

    def _say(self, text: str, *facts: object) -> None:
        """Log a warning, one a minute at most."""
        if time.monotonic() - self._warned_at >= LOG_EVERY_S:
            self._warned_at = time.monotonic()
            _log.warning(text, *facts)

    def _is_away(self) -> bool:
        return self._desk.trouble.is_away(time.monotonic())

    def _rest(self) -> bool:
        """Sleep until there is something to do; False when there never will be."""
        desk = self._desk
        with desk.lock:
            waits = desk.left_behind or self.reports.wait
            if desk.ending and not desk.pending and (not waits or desk.trouble.lasts):
                return False
            wait_s = self._rest_s(time.monotonic())
            desk.resting = not self._is_away()
        if wait_s > 0:
            listen(desk.bell, wait_s)
        desk.resting = False
        return True

    def _rest_s(self, now: float) -> float:
        """How long there is nothing to do, unless it rings."""
        desk = self._desk
        if desk.trouble.is_away(now):
            return min(LOOK_S, desk.trouble.away_until() - now)
        if desk.hurried or desk.ending or desk.trouble.refusing(now):
            return SHORT_REST_S
        if desk.buffer.has_sealed:
            return 0
        age_ms = desk.buffer.age_ms()
        if age_ms is not None:
            due_s = desk.linger_s - age_ms / 1_000
        elif now - self._busy_at < IDLE_S:
            due_s = desk.linger_s
        else:
            due_s, desk.asleep = LOOK_S, True
        return max(0.001, min(due_s, desk.spill_due - now))
