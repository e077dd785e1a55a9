"""The thread that writes to the disk: what Redis does not take, or not in time, goes to the spill file."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from forwarder.client.desk import GRACE_S, LOOK_S, RELIEF, ROUND_EVENTS, Desk, Flight, count, listen
from forwarder.errors import SpillFull, SpillUnavailable
from forwarder.queue.caps import Caps
from forwarder.queue.chunk import Chunk
from forwarder.spill.file import SpillFile

AGAIN_S: Final = 1.0
"""A spill file that takes nothing is tried again after so long; the buffer holds the events meanwhile."""

_log = logging.getLogger("forwarder.client")


class Keeper:
    """One process's one.

    Args:
        desk: where the events are.
        spill: where they go.
        caps: how long Redis knows an append.
    """

    def __init__(self, desk: Desk, spill: SpillFile, caps: Caps) -> None:
        self._desk = desk
        self._spill = spill
        self._caps = caps
        self._again_at = 0.0

    def run(self) -> None:
        """Work until the appender has ended."""
        while not self._desk.ended:
            listen(self._desk.keeper_bell, LOOK_S if self._desk.asleep else GRACE_S)
            try:
                self._turn()
            except Exception:  # a bug of ours: events stay, and are tried again
                _log.exception("the keeper failed and goes on")

    def keep_rest(self) -> bool:
        """Write everything that is left, at the end, also what is on its way to Redis; whether that was possible."""
        flight = self._desk.flight
        if flight is not None and flight.chunks and not flight.copied and not self._copy(flight):
            return False
        with self._desk.lock:
            chunks = self._desk.take_all()
        while chunks:
            if not self._keep(chunks):
                return False
            with self._desk.lock:
                chunks = self._desk.take_all()
        return True

    def _turn(self) -> None:
        desk = self._desk
        if not desk.spills or desk.over or time.monotonic() < self._again_at:
            return
        flight = desk.flight
        if flight is not None and flight.chunks and flight.is_stuck and not flight.copied:
            self._copy(flight)
        while (chunks := self._take()) and self._keep(chunks):
            continue

    def _take(self) -> list[Chunk]:
        desk = self._desk
        with desk.lock:
            now = time.monotonic()
            if desk.over:
                return []
            if desk.trouble.is_away(now) or (desk.flight is not None and desk.flight.is_stuck):
                return desk.take_all()
            if refusing := desk.trouble.refusing(now):
                desk.buffer.seal_all()
                taken = desk.buffer.take(ROUND_EVENTS, only=refusing)
            else:
                taken = desk.buffer.take(ROUND_EVENTS) if desk.buffer.fill > RELIEF else []
            desk.hold(taken)
            return taken

    def _keep(self, chunks: list[Chunk]) -> bool:
        kept = False
        try:
            kept = self._put(chunks)
        finally:  # also when Ctrl-C breaks it off
            with self._desk.lock:
                if kept:
                    self._desk.tally.spilled += count(chunks)
                    self._desk.spilled(chunks)
                else:
                    self._desk.put_back(chunks)
        return kept

    def _copy(self, flight: Flight) -> bool:
        """Write what is on its way to Redis; when it arrives, the appender removes it.

        It may have looked for the copy before that was written; then it resends it, and Redis knows the chunks.
        """
        desk = self._desk
        with desk.lock:
            if desk.flight is not flight:
                return True  # it has just been answered
            flight.copying = True
        copied = self._put([chunk.doubted(flight.sent_ms, self._caps) for chunk in flight.chunks])
        with desk.lock:
            flight.copied = copied
            if copied and desk.flight is not flight:
                desk.leave_behind()
                desk.ring()
            desk.changed.notify_all()
        return copied

    def _put(self, chunks: Sequence[Chunk]) -> bool:
        try:
            self._spill.put(chunks)
        except (SpillFull, SpillUnavailable) as error:
            self._again_at = time.monotonic() + AGAIN_S
            if self._desk.full == "buffer_full":
                _log.warning("feedback events are kept in memory: %s", error)
            self._desk.full = "spill_full" if isinstance(error, SpillFull) else "spill_unavailable"
            return False
        self._desk.full = "buffer_full"
        return True
