"""What `status` shows."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from forwarder.cli.context import Queue, open_queue
from forwarder.cli.output import console, is_terminal, json_out, line, printable, rich_table, table_out
from forwarder.queue.flow import Flow, read_flow
from forwarder.queue.histograms import DELIVER_MS, REQUEST_MS, Histogram, is_bucket
from forwarder.queue.ledger import SUMS, Snapshot, snapshot, total
from forwarder.queue.pause import Pause, get_pause
from forwarder.queue.scripts import run
from forwarder.times import shown_duration, shown_moment

REFRESH_S = 1.0
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Status:
    """One destination at one moment.

    Attributes:
        destination: its name.
        books: its ledger and streams.
        pause: in force, if any.
        flow: what the fleet has learned of it.
        now_ms: the moment (ms since 1970).
        rate: events delivered per second since the last look; None at the first.
    """

    destination: str
    books: Snapshot
    pause: Pause | None
    flow: Flow
    now_ms: int
    rate: float | None = None

    @property
    def state(self) -> str:
        """What it does now."""
        if self.pause:
            return "paused"
        if self.flow.breaker.open:
            return "probing"
        return "draining" if self.books.drains else "idle"

    @property
    def line(self) -> str:
        """All that matters, in one line."""
        state = f"PAUSED ({self.pause.reason})" if self.pause else self.state
        return (
            f"{self.destination}: {state} · delivered {self.books['delivered']:,} · waiting {self.books['pending']:,} "
            f"· dead letters {self.books.dead:,}"
        )

    @property
    def oldest_age_s(self) -> float | None:
        """How long the oldest entry has waited."""
        oldest_ms = self.books.oldest_ms
        return None if oldest_ms is None else max(0, self.now_ms - oldest_ms) / 1000

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("accepted", "delivered", "dead_lettered", "replayed", "purged", "pending", "ambiguous")
        pause = self.pause
        paused = pause and {
            "reason": pause.reason,
            "kind": pause.kind,
            "since_ms": pause.since_ms,
            "until_ms": pause.until_ms,
        }
        rate = {} if self.rate is None else {"delivered_per_s": round(self.rate, 1)}
        return {
            **{name: self.books[name] for name in names},
            "dead": self.books.dead,
            "entries": self.books.entries,
            "oldest_age_s": self.oldest_age_s,
            "drains": self.books.drains,
            "state": self.state,
            "paused": paused,
            "concurrency": self.flow.limit.value,
            "fits": {"events": self.flow.size.events or None, "bytes": self.flow.size.bytes or None},
            "request_ms": _quantiles(REQUEST_MS, self.books),
            "deliver_ms": _quantiles(DELIVER_MS, self.books),
            **rate,
            "counters": self.books.counters,
        }

    def measures(self) -> dict[str, object]:
        """For people: name and amount."""
        age_s = self.oldest_age_s
        others = sorted(name for name in set(self.books.counters) - set(SUMS) if not is_bucket(name))
        size = self.flow.size
        fits = {"fits into a request": f"{size.events:,} events, {size.bytes:,} bytes"} if size.events else {}
        rate = {} if self.rate is None else {"delivered/s": f"{self.rate:,.0f}"}
        return {
            "state": self.state,
            **rate,
            "waiting entries": self.books.entries,
            "oldest": "-" if age_s is None else shown_duration(age_s),
            "dead": self.books.dead,
            "drains": self.books.drains,
            "requests at once": self.flow.limit.value,
            **fits,
            "request p50/p95/p99": _shown_quantiles(REQUEST_MS, self.books),
            "delivered after p50/p95/p99": _shown_quantiles(DELIVER_MS, self.books),
            **{name: self.books[name] for name in (*SUMS, *others)},
        }


def show(*, watch: bool, as_json: bool, wait: Callable[[float], None] = time.sleep) -> None:
    """Show all destinations, once or until Ctrl-C."""
    with open_queue() as queue:
        if not watch:
            _print(look(queue), as_json=as_json)
            return
        try:
            if is_terminal() and not as_json:
                _live(queue, wait)
            else:
                _stream(queue, wait, as_json=as_json)
        except KeyboardInterrupt:
            return  # that is how one stops watching


def look(queue: Queue, before: list[Status] | None = None) -> list[Status]:
    """All destinations now.

    Args:
        queue: the open queue.
        before: the last look, for the rates.
    """
    earlier = {status.destination: status for status in before or []}
    return [_look_at(queue, name, earlier.get(name)) for name in queue.settings.destination_names]


def _look_at(queue: Queue, destination: str, before: Status | None) -> Status:
    keys = queue.keys(destination)
    books = total([run(queue.client, snapshot(one)) for one in queue.partitions(destination)])
    now_ms = time.time_ns() // 1_000_000
    rate = None
    if before is not None:
        elapsed_s = max(now_ms - before.now_ms, 1) / 1000
        rate = (books["delivered"] - before.books["delivered"]) / elapsed_s
    return Status(destination, books, get_pause(queue.client, keys), read_flow(queue.client, keys), now_ms, rate)


def _quantiles(histogram: Histogram, books: Snapshot) -> dict[str, float] | None:
    found = {share: histogram.quantile(books.counters, share) for share in QUANTILES}
    return {f"p{share * 100:g}": round(value, 1) for share, value in found.items() if value is not None} or None


def _shown_quantiles(histogram: Histogram, books: Snapshot) -> str:
    found = _quantiles(histogram, books)
    return "/".join(_shown_ms(value) for value in found.values()) if found else "-"


def _shown_ms(value: float) -> str:
    return f"{value:.0f}ms" if value < 1_000 else shown_duration(value / 1000)  # noqa: PLR2004 - a second


def _print(statuses: list[Status], *, as_json: bool) -> None:
    if as_json:
        json_out({status.destination: status.as_json() for status in statuses})
        return
    table_out(*_table(statuses))
    for note in _pauses(statuses):
        line(note)


def _table(statuses: list[Status]) -> tuple[list[str], Iterator[list[object]]]:
    """A column per destination, a row per measure."""
    columns = [status.measures() for status in statuses]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = ([name, *(column.get(name, 0) for column in columns)] for name in names)
    return ["", *(status.destination for status in statuses)], rows


def _pauses(statuses: list[Status]) -> Iterator[str]:
    for status in statuses:
        if status.pause is not None:
            until_ms = status.pause.until_ms
            name = status.destination
            end = f"`forwarder resume {name}`" if until_ms is None else shown_moment(until_ms)
            yield f"{name} is paused since {shown_moment(status.pause.since_ms)} until {end}: {status.pause.reason}"


def _live(queue: Queue, wait: Callable[[float], None]) -> None:
    """In place, on a terminal."""
    from rich.console import Group  # noqa: PLC0415 - only for people
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    statuses = look(queue)
    with Live(console=console(), auto_refresh=False, screen=False) as live:
        while True:
            notes = [Text(printable(note)) for note in _pauses(statuses)]
            live.update(Group(rich_table(*_table(statuses)), *notes), refresh=True)
            wait(REFRESH_S)
            statuses = look(queue, statuses)


def _stream(queue: Queue, wait: Callable[[float], None], *, as_json: bool) -> None:
    """In a pipe: one JSON object per line, or one table after another."""
    statuses = look(queue)
    while True:
        if as_json:
            sys.stdout.write(json.dumps({status.destination: status.as_json() for status in statuses}) + "\n")
        else:
            _print(statuses, as_json=False)
        sys.stdout.flush()
        wait(REFRESH_S)
        statuses = look(queue, statuses)
