"""The ledger: counters that change only in the same atomic step as what they count, and the three lines that close.

    queue:  accepted + replayed = delivered + dead-lettered + pending            (events)
    dead:   dead-lettered = replayed + purged + length of the dead stream        (events)
    redis:  entries ever added = entries settled + length of the events stream   (entries)

Besides those sums the hash holds `dead_lettered:REASON`, `refused:REASON` (events that the queue did not take, by each
try), `dropped:REASON` (events that a producer has lost), `ingest_refused:STATUS` (requests, not events), `requests`,
`requests:STATUS`, `retries` and `ambiguous` (events that may have been delivered twice).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step

SUMS = ("accepted", "replayed", "delivered", "dead_lettered", "pending", "purged", "entries_settled", "ambiguous")
"""Counters that are always shown, also while they are nought."""


@dataclass(frozen=True, slots=True)
class Line:
    """One equation of the books.

    Attributes:
        name: queue, dead or redis.
        left: its left side: names and amounts, which are added up.
        right: its right side, likewise.
    """

    name: str
    left: dict[str, int]
    right: dict[str, int]

    @property
    def closes(self) -> bool:
        """Whether both sides are equal."""
        return sum(self.left.values()) == sum(self.right.values())

    def __str__(self) -> str:
        left, right = (
            " + ".join(f"{name.replace('_', '-')} {amount:,}" for name, amount in side.items())
            for side in (self.left, self.right)
        )
        gap = sum(self.left.values()) - sum(self.right.values())
        return f"{self.name}: {left} = {right}" + ("" if self.closes else f"   DOES NOT CLOSE: {gap:+,}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The books of one partition at one moment.

    Attributes:
        counters: the ledger.
        entries: entries on the events stream.
        entries_added: entries ever added to it, by Redis's own count.
        oldest_ms: when the oldest entry was added (ms since 1970); None when there is none.
        dead: letters on the dead stream.
        drains: leases that are taken.
    """

    counters: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    entries_added: int = 0
    oldest_ms: int | None = None
    dead: int = 0
    drains: int = 0

    def __getitem__(self, counter: str) -> int:
        return self.counters.get(counter, 0)

    @property
    def lines(self) -> list[Line]:
        """The three equations."""
        return [
            Line("queue", self._named("accepted", "replayed"), self._named("delivered", "dead_lettered", "pending")),
            Line("dead", self._named("dead_lettered"), {**self._named("replayed", "purged"), "dead": self.dead}),
            Line(
                "redis",
                {"entries_added": self.entries_added},
                {**self._named("entries_settled"), "entries": self.entries},
            ),
        ]

    def _named(self, *names: str) -> dict[str, int]:
        return {name: self[name] for name in names}


def total(books: Sequence[Snapshot]) -> Snapshot:
    """The books of several partitions, added up."""
    counters: Counter[str] = Counter()
    for one in books:
        counters.update(one.counters)
    return Snapshot(
        dict(counters),
        sum(one.entries for one in books),
        sum(one.entries_added for one in books),
        min((one.oldest_ms for one in books if one.oldest_ms is not None), default=None),
        sum(one.dead for one in books),
        sum(one.drains for one in books),
    )


def snapshot(keys: Keys) -> Step[Snapshot]:
    """Read the books of a partition at one moment."""
    return Step("snapshot", [keys.events, keys.ledger, keys.dead, *keys.leases], [], _read)


def _read(reply: list[Any]) -> Snapshot:
    flat, entries, added, oldest, dead, drains = reply
    counters = {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)}
    oldest_ms = int(oldest.split(b"-")[0]) if oldest else None
    return Snapshot(counters, entries, added, oldest_ms, dead, drains)
