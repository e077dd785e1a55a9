"""What the overview shows, looked up at most once in half a second, however many people look."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forwarder import clock
from forwarder.console.cards import Card, card, charts_of
from forwarder.console.charts import SPAN_MS
from forwarder.console.shown import shown_count, shown_rate
from forwarder.queue import crew
from forwarder.queue.connection import Client, connect, control_url, queue_url
from forwarder.queue.history import Sample, added_up, sample
from forwarder.queue.keys import Keys
from forwarder.queue.looks import Look, all_in_one, looks
from forwarder.queue.partitions import Partitions
from forwarder.queue.scripts import run_all
from forwarder.settings import Settings

FRESH_S: Final = 0.5
SAMPLE_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class View:
    """The overview; counts are texts.

    Attributes:
        cards: a destination each.
        delivered: by all of them.
        delivered_rate: lately.
        pending: events that wait.
        entries: entries that wait.
        dead: dead letters.
        has_dead: whether there are any.
        workers: that are alive.
        drains: at work.
        closes: whether all books close.
        lines: how many lines they have.
        trouble: what somebody must see to; empty for nothing.
    """

    cards: tuple[Card, ...]
    delivered: str
    delivered_rate: str
    pending: str
    entries: str
    dead: str
    has_dead: bool
    workers: int
    drains: int
    closes: bool
    lines: int
    trouble: str

    @property
    def spoken(self) -> str:
        """What a screen reader is to be told when it changes: states, not numbers."""
        states = ", ".join(f"{one.name} {one.state.text}" for one in self.cards)
        return f"{states}; the books {'close' if self.closes else 'do not close'}"


class Hour:
    """The last hour of a destination, read once; its charts are drawn when a sample has come.

    Attributes:
        samples: of all partitions together, the oldest first.
        charts: of them.
    """

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.charts = charts_of([], 0)
        self._apart: dict[Keys, list[Sample]] = {}

    def since_ms(self, keys: Keys, now_ms: int) -> int:
        """From when on samples of a partition are wanted."""
        known = self._apart.get(keys)
        return known[-1].at_ms + 1 if known else now_ms - SPAN_MS

    def add(self, found: Mapping[Keys, Look], now_ms: int) -> None:
        """What has come since, of the destination's partitions."""
        if not any(look.samples for look in found.values()):
            return
        for keys, look in found.items():
            known = (*self._apart.get(keys, ()), *look.samples)
            self._apart[keys] = [one for one in known if one.at_ms >= now_ms - SPAN_MS]
        self.samples = added_up(list(self._apart.values()))
        self.charts = charts_of(self.samples, now_ms)


class Board:
    """Looks, and remembers the last hour.

    Args:
        settings: name the destinations.
        client: of the queue.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._client = client
        own_server = control_url(settings) == queue_url(settings)
        self._control = client if own_server else connect(settings, control_url(settings))
        self._partitions = Partitions(settings, client)
        self._hours = {name: Hour() for name in settings.destination_names}
        self._lock = threading.Lock()
        self._view: View | None = None
        self._looked_at = self._sampled_at = -SPAN_MS / 1000

    def view(self) -> View:
        """How everything stands."""
        with self._lock:
            if self._view is None or time.monotonic() - self._looked_at > FRESH_S:
                self._view = self._look()
                self._looked_at = time.monotonic()
            return self._view

    def _look(self) -> View:
        partitions = {name: self._partitions.of(name) for name in self._hours}
        self._take_samples([keys for each in partitions.values() for keys in each])
        now_ms = clock.now_ms()
        since = {keys: self._hours[name].since_ms(keys, now_ms) for name, each in partitions.items() for keys in each}
        found = looks(self._client, since)
        cards = tuple(
            self._card(name, {keys: found[keys] for keys in each}, now_ms) for name, each in partitions.items()
        )
        return _view(cards, list(found.values()), workers=len(crew.workers(self._control)))

    def _card(self, name: str, found: Mapping[Keys, Look], now_ms: int) -> Card:
        hour = self._hours[name]
        hour.add(found, now_ms)
        return card(name, all_in_one(list(found.values())), hour.samples, hour.charts, now_ms)

    def _take_samples(self, partitions: Sequence[Keys]) -> None:
        """Also where no worker is alive to do it; a Redis that refuses it keeps nobody from looking."""
        if time.monotonic() - self._sampled_at > SAMPLE_EVERY_S:
            self._sampled_at = time.monotonic()
            run_all(self._client, [sample(keys) for keys in partitions])


def _view(cards: tuple[Card, ...], found: list[Look], *, workers: int) -> View:
    books = [one.books for one in found]
    dead, waiting = sum(one.dead for one in books), sum(one.entries for one in books)
    trouble = (
        "Events wait and no worker is alive: start one with `forwarder worker`." if waiting and not workers else ""
    )
    return View(
        cards=cards,
        delivered=shown_count(sum(one["delivered"] for one in books)),
        delivered_rate=shown_rate(sum(one.delivered_per_s for one in cards)),
        pending=shown_count(sum(one["pending"] for one in books)),
        entries=shown_count(waiting),
        dead=shown_count(dead),
        has_dead=dead > 0,
        workers=workers,
        drains=sum(one.drains for one in books),
        closes=all(line.closes for one in books for line in one.lines),
        lines=sum(len(one.lines) for one in books),
        trouble=trouble,
    )
