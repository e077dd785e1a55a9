"""The deep audit: the events of the entries that wait, counted one by one, against the ledger's counter `pending`.

A scan takes a while and the queue moves meanwhile; so the books are read before and after it, and only a scan during
which they stood still can be compared with them.
"""

from dataclasses import dataclass
from typing import Any, Final

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Snapshot, snapshot
from forwarder.queue.scripts import Step, run

SCANS_MAX: Final = 3
_PAGE: Final = 100
"""Entries per step: some 7 MB when all are full, so that Redis is never busy with it for long."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits on the events stream, counted by a scan.

    Attributes:
        entries: that say how many events they hold; these were counted as accepted when they were appended.
        events: in those.
        raw_entries: that do not say it (plain XADD); they are counted when they are settled.
    """

    entries: int = 0
    events: int = 0
    raw_entries: int = 0


@dataclass(frozen=True, slots=True)
class DeepAudit:
    """A scan and the books around it.

    Attributes:
        books: after the scan.
        waiting: what the scan counted.
        stood_still: whether the queue did not move during the scan; else the two cannot be compared.
    """

    books: Snapshot
    waiting: Waiting
    stood_still: bool

    @property
    def closes(self) -> bool | None:
        """Whether the counter is right; None when the queue never stood still."""
        return self.waiting.events == self.books["pending"] if self.stood_still else None


def deep_audit(client: Client, keys: Keys) -> DeepAudit:
    """Scan until the queue stood still during a scan, at most three times."""
    before = run(client, snapshot(keys))
    for _ in range(SCANS_MAX):
        waiting = _scan(client, keys)
        after = run(client, snapshot(keys))
        if _position(before) == _position(after):
            return DeepAudit(after, waiting, stood_still=True)
        before = after
    return DeepAudit(before, waiting, stood_still=False)


def _position(books: Snapshot) -> tuple[int, ...]:
    """What changes whenever an entry comes or goes."""
    return books.entries, books.entries_added, books["entries_settled"], books["pending"]


def _scan(client: Client, keys: Keys) -> Waiting:
    entries = events = raw_entries = 0
    start = "-"
    while True:
        step: Step[tuple[int, int, int, str]] = Step("count", [keys.events], [start, _PAGE], _read)
        page_entries, page_events, page_raw, last = run(client, step)
        entries, events, raw_entries = entries + page_entries, events + page_events, raw_entries + page_raw
        if not last:
            return Waiting(entries, events, raw_entries)
        start = f"({last}"


def _read(reply: list[Any]) -> tuple[int, int, int, str]:
    return int(reply[0]), int(reply[1]), int(reply[2]), reply[3].decode()
