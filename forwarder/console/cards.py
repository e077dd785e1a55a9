"""What the overview says of each destination: from how it stands to texts and charts (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forwarder.console.charts import Chart, chart, coarse, levels, rate_now, rates
from forwarder.console.shown import shown_count, shown_ms, shown_rate
from forwarder.queue.flow import Flow
from forwarder.queue.histograms import DELIVER_MS
from forwarder.queue.history import Sample
from forwarder.queue.ledger import Line, Snapshot
from forwarder.queue.looks import Look
from forwarder.queue.pause import Pause
from forwarder.times import shown_duration, shown_moment

HAND: Final = "hand"


@dataclass(frozen=True, slots=True)
class Sign:
    """A state, as a badge.

    Attributes:
        text: in a word or two.
        kind: good, warn, bad, info, or empty: a class of the style sheet.
        moving: whether something happens now.
    """

    text: str
    kind: str = ""
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """A line of the ledger, as shown."""

    name: str
    sums: str
    closes: bool
    mark: str


@dataclass(frozen=True, slots=True)
class Card:
    """A destination, as shown: texts, but for `delivered_per_s`."""

    name: str
    state: Sign
    why: str
    accepted: str
    accepted_rate: str
    delivered: str
    delivered_rate: str
    delivered_per_s: float
    dead: str
    has_dead: bool
    died: str
    died_rate: str
    pending: str
    age: str
    in_flight: str
    limit: str
    p50: str
    p95: str
    p99: str
    charts: tuple[Chart, ...]
    books: tuple[Sums, ...]


def card(name: str, standing: Look, samples: Sequence[Sample], charts: tuple[Chart, ...], now_ms: int) -> Card:
    """All that is shown of a destination.

    Args:
        name: of the destination.
        standing: now.
        samples: of its last hour.
        charts: of the same.
        now_ms: the moment (ms since 1970).
    """
    books, now = standing.books, sample_of(standing.books, now_ms)
    delivered_per_s = rate_now(samples, "delivered", now)
    p50, p95, p99 = (shown_ms(DELIVER_MS.quantile(books.counters, share)) for share in (0.5, 0.95, 0.99))
    return Card(
        name=name,
        state=state(books, standing.pause, standing.flow),
        why=why(standing.pause, now_ms),
        accepted=shown_count(now.accepted),
        accepted_rate=shown_rate(rate_now(samples, "accepted", now)),
        delivered=shown_count(now.delivered),
        delivered_rate=shown_rate(delivered_per_s),
        delivered_per_s=delivered_per_s,
        dead=shown_count(now.dead),
        has_dead=now.dead > 0,
        died=shown_count(now.dead_lettered),
        died_rate=shown_rate(rate_now(samples, "dead_lettered", now)),
        pending=shown_count(now.pending),
        age=f"oldest {shown_duration(now.age / 1000)}" if now.entries else "nothing waits",
        in_flight=shown_count(standing.in_flight),
        limit=shown_count(standing.flow.limit.value),
        p50=p50,
        p95=p95,
        p99=p99,
        charts=charts,
        books=tuple(_sums(line) for line in books.lines),
    )


def sample_of(books: Snapshot, now_ms: int) -> Sample:
    """How it stands now, in the form of its history."""
    age_ms = 0 if books.oldest_ms is None else max(0, now_ms - books.oldest_ms)
    return Sample(
        now_ms,
        accepted=books["accepted"],
        replayed=books["replayed"],
        delivered=books["delivered"],
        dead_lettered=books["dead_lettered"],
        pending=books["pending"],
        entries=books.entries,
        dead=books.dead,
        age=age_ms,
    )


def state(books: Snapshot, pause: Pause | None, flow: Flow) -> Sign:
    """What it does now."""
    if pause is not None:
        return paused_sign(pause.kind)
    if flow.breaker.open:
        return Sign("probing", "warn", moving=True)
    if books.drains and books.entries:
        return Sign("flowing", "good", moving=True)
    return Sign("waiting for a worker", "warn") if books.entries else Sign("idle")


def paused_sign(kind: str) -> Sign:
    """That nobody sends, by the kind of the pause."""
    return Sign("paused by hand", "warn") if kind == HAND else Sign("paused", "bad")


def why(pause: Pause | None, now_ms: int) -> str:
    """Why nobody sends to it, since when, and until when; empty when somebody does."""
    if pause is None:
        return ""
    since = f"since {shown_moment(pause.since_ms)}"
    if pause.until_ms is None:
        return f"{pause.reason} · {since}, until somebody resumes it"
    left = shown_duration(max(0, pause.until_ms - now_ms) / 1000)
    then = f"it ends in {left}" if pause.kind == HAND else f"the next probe goes out in {left}"
    return f"{pause.reason} · {since}; {then}"


def charts_of(samples: Sequence[Sample], now_ms: int) -> tuple[Chart, ...]:
    """The last hour of a destination."""
    ends = coarse(samples)
    flow = [("first", "accepted", rates(ends, "accepted")), ("second", "delivered", rates(ends, "delivered"))]
    backlog, dead = (levels(coarse(samples, name), name) for name in ("pending", "dead"))
    return (
        chart("Events", flow, now_ms, shown_rate),
        chart("Backlog", [("level", "", backlog)], now_ms, shown_count),
        chart("Dead letters", [("trouble", "", dead)], now_ms, shown_count),
    )


def _sums(line: Line) -> Sums:
    left, right = (
        " + ".join(f"{name.replace('_', ' ')} {amount:,}" for name, amount in side.items())
        for side in (line.left, line.right)
    )
    gap = sum(line.left.values()) - sum(line.right.values())
    return Sums(line.name, f"{left} = {right}", line.closes, "✓ closes" if line.closes else f"✗ {gap:+,}")
