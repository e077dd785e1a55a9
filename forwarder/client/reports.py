"""What the ledger is told of events that are lost: each report once, again and again until Redis has it."""

import secrets
import time
from typing import Final

from forwarder.client.desk import Desk
from forwarder.client.drops import Drops
from forwarder.queue.handover import Handover

AGAIN_S: Final = 0.5
"""After so long the ledger is told again of drops."""


class Reports:
    """One process's; told by one thread.

    Args:
        drops: what there is to tell.
        desk: whose lock keeps each drop in one place, and who is told of changes.
        handover: the line to Redis.
    """

    def __init__(self, drops: Drops, desk: Desk, handover: Handover) -> None:
        self._drops = drops
        self._desk = desk
        self._handover = handover
        self._due: list[tuple[str, dict[str, int], str]] = []
        self._next_at = 0.0

    @property
    def wait(self) -> bool:
        """Whether the ledger has something to be told."""
        return bool(self._due) or self._drops.has_untold

    def tell(self) -> str:
        """Tell the ledger; answers what was in the way, if anything."""
        with self._desk.lock:  # nobody must find them in neither place
            for (destination, reason), events in self._drops.untold().items():
                self._due.append((destination, {reason: events}, secrets.token_hex(12)))
        while self._due and time.monotonic() >= self._next_at:
            destination, reasons, name = self._due[0]
            if trouble := self._handover.count_drops(destination, reasons, name):
                self._next_at = time.monotonic() + AGAIN_S  # if Redis is away, the next append finds out
                return trouble
            with self._desk.lock:
                self._due = self._due[1:]
                self._desk.changed.notify_all()
        return ""

    def untold(self) -> dict[tuple[str, str], int]:
        """Drops that the ledger has not been told, at the end; they are no longer to be told."""
        with self._desk.lock:
            counts = self._drops.untold()
            due, self._due = self._due, []
        for destination, reasons, _ in due:
            for reason, events in reasons.items():
                counts[destination, reason] = counts.get((destination, reason), 0) + events
        return counts
