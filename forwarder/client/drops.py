"""Events that are lost for good: counted by reason, logged at most once a minute, told to the app and to the ledger."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forwarder.feedback import Members

LOG_EVERY_S: Final = 60.0

_log = logging.getLogger("forwarder.client")


@dataclass(frozen=True, slots=True)
class Drop:
    """What `on_drop` is given.

    Attributes:
        destination: whom the events were for.
        reason: buffer_full, spill_full, spill_unavailable, exit, closed or invalid.
        events: joined with commas, as in a JSON array, and their number; of an invalid event, nothing.
    """

    destination: str
    reason: str
    events: Members


OnDrop = Callable[[Drop], object]


class Drops:
    """Counts of one process; safe for threads.

    Args:
        on_drop: called with each drop, in the thread that drops; what it raises is logged.
    """

    def __init__(self, on_drop: OnDrop | None) -> None:
        self._on_drop = on_drop
        self._lock = threading.RLock()
        self._untold: Counter[tuple[str, str]] = Counter()
        self._unlogged: Counter[str] = Counter()
        self._logged_at = -LOG_EVERY_S

    def add(self, drop: Drop, why: str = "") -> None:
        """Count a drop.

        Args:
            drop: what is lost.
            why: a sentence for the log.
        """
        with self._lock:
            self._untold[drop.destination, drop.reason] += drop.events.count
            self._unlogged[drop.reason] += drop.events.count
        self.log(why)
        if self._on_drop is not None:
            try:
                self._on_drop(drop)
            except Exception:  # the app's own callback; the app is not to suffer for it
                _log.exception("on_drop raised")

    def log(self, why: str = "", *, now: bool = False) -> None:
        """Log what was dropped since the last time, unless that is less than a minute ago."""
        with self._lock:
            if not self._unlogged or (time.monotonic() - self._logged_at < LOG_EVERY_S and not now):
                return
            self._logged_at = time.monotonic()
            counts, self._unlogged = self._unlogged, Counter()
        told = ", ".join(f"{events:,} ({reason})" for reason, events in counts.items())
        _log.warning("feedback events dropped: %s%s", told, f": {why}" if why else "")

    @property
    def has_untold(self) -> bool:
        """Whether the ledger has something to be told."""
        return bool(self._untold)

    def untold(self) -> dict[tuple[str, str], int]:
        """What the ledger has not been told, by destination and reason; to be told, or given `back`."""
        with self._lock:
            counts, self._untold = self._untold, Counter()
        return dict(counts)

    def back(self, counts: dict[tuple[str, str], int]) -> None:
        """The ledger could not be told."""
        with self._lock:
            self._untold.update(counts)
