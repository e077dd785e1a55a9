"""How destinations do, and whether the books close."""

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from forwarder.clock import now_ms
from forwarder.operations.operator import Nothing, Operator
from forwarder.queue.audit import DeepAudit, deep_audit
from forwarder.queue.flow import Flow, read_flow
from forwarder.queue.histograms import DELIVER_MS, REQUEST_MS, Histogram
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Snapshot, snapshot, total
from forwarder.queue.pause import Pause, get_pause
from forwarder.queue.scripts import run

QUANTILES: Final = (0.5, 0.95, 0.99)


class Paused(Struct, frozen=True):
    """Why nobody sends; `until_ms` is null when it lasts until it is resumed by hand."""

    reason: str
    kind: str
    since_ms: int
    until_ms: int | None


class Fits(Struct, frozen=True):
    """What fits into one request, as far as refusals have taught."""

    events: int | None
    bytes: int | None


class Status(Struct, frozen=True):
    """One destination at one moment; the counters of its ledger by their names.

    Attributes:
        dead: letters on the dead stream.
        entries: that wait on the queue.
        oldest_age_s: how long the oldest of them has waited.
        drains: at work.
        state: `paused`, `probing`, `draining` or `idle`.
        paused: the pause in force.
        concurrency: requests that the fleet may have in flight.
        fits: into one request.
        request_ms: quantiles of round trips.
        deliver_ms: quantiles from accepted to delivered.
        delivered_per_s: since the last look; left out at the first.
        counters: all of the ledger's.
    """

    accepted: int
    delivered: int
    dead_lettered: int
    replayed: int
    purged: int
    pending: int
    ambiguous: int
    dead: int
    entries: int
    oldest_age_s: float | None
    drains: int
    state: str
    paused: Paused | None
    concurrency: int
    fits: Fits
    request_ms: dict[str, float] | None
    deliver_ms: dict[str, float] | None
    counters: dict[str, int]
    delivered_per_s: float | UnsetType = UNSET


class AuditLine(Struct, frozen=True):
    """One equation of the books."""

    name: str
    left: dict[str, int]
    right: dict[str, int]
    closes: bool


class Deep(Struct, frozen=True):
    """The events that wait, counted one by one; `closes` is null when the queue never stood still."""

    pending: int
    waiting: int
    entries: int
    not_yet_counted_entries: int
    stood_still: bool
    closes: bool | None


class Audit(Struct, frozen=True, omit_defaults=True):
    """The books of one destination; of several partitions the sums, and each of them."""

    closes: bool
    lines: list[AuditLine]
    deep: Deep | None = None
    partitions: list["Audit"] = []


class HowDeep(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the waiting events are counted too."""

    deep: bool = False


def status(operator: Operator, _: Nothing) -> dict[str, Status]:
    """All destinations now."""
    return {name: status_of(operator, name) for name in operator.settings.destination_names}


def status_of(operator: Operator, destination: str) -> Status:
    """One destination now."""
    keys, client = operator.keys(destination), operator.client
    books = total([run(client, snapshot(one)) for one in operator.partitions(destination)])
    return status_from(books, get_pause(client, keys), read_flow(client, keys), now_ms())


def status_from(books: Snapshot, pause: Pause | None, flow: Flow, at_ms: int) -> Status:
    """What the books, the pause and the flow of a destination say of it."""
    names = ("accepted", "delivered", "dead_lettered", "replayed", "purged", "pending", "ambiguous")
    oldest = books.oldest_ms
    return Status(
        **{name: books[name] for name in names},
        dead=books.dead,
        entries=books.entries,
        oldest_age_s=None if oldest is None else max(0, at_ms - oldest) / 1000,
        drains=books.drains,
        state=_state(books, pause, flow),
        paused=paused(pause),
        concurrency=flow.limit.value,
        fits=Fits(flow.size.events or None, flow.size.bytes or None),
        request_ms=_quantiles(REQUEST_MS, books),
        deliver_ms=_quantiles(DELIVER_MS, books),
        counters=books.counters,
    )


def paused(pause: Pause | None) -> Paused | None:
    """A pause, for programs."""
    return Paused(pause.reason, pause.kind, pause.since_ms, pause.until_ms) if pause else None


def audit(operator: Operator, asked: HowDeep) -> dict[str, Audit]:
    """The books of all destinations."""
    return {name: _audit(operator, name, deep=asked.deep) for name in operator.settings.destination_names}


def _audit(operator: Operator, destination: str, *, deep: bool) -> Audit:
    found = [_looked_at(operator, keys, deep=deep) for keys in operator.partitions(destination)]
    apart = [_audit_of(books, depth) for books, depth in found]
    if len(apart) == 1:
        return apart[0]
    lines = _audit_of(total([books for books, _ in found]), None).lines
    return Audit(all(one.closes for one in apart), lines, partitions=apart)


def _looked_at(operator: Operator, keys: Keys, *, deep: bool) -> tuple[Snapshot, DeepAudit | None]:
    depth = deep_audit(operator.client, keys) if deep else None
    return depth.books if depth else run(operator.client, snapshot(keys)), depth


def _audit_of(books: Snapshot, depth: DeepAudit | None) -> Audit:
    lines = [AuditLine(one.name, one.left, one.right, one.closes) for one in books.lines]
    # a queue that never stood still is no failure: nothing is known to be wrong
    closes = all(line.closes for line in lines) and (depth is None or depth.closes is not False)
    return Audit(closes, lines, _deep(depth) if depth else None)


def _deep(depth: DeepAudit) -> Deep:
    return Deep(
        pending=depth.books["pending"],
        waiting=depth.waiting.events,
        entries=depth.waiting.entries,
        not_yet_counted_entries=depth.waiting.raw_entries,
        stood_still=depth.stood_still,
        closes=depth.closes,
    )


def _state(books: Snapshot, pause: Pause | None, flow: Flow) -> str:
    if pause:
        return "paused"
    if flow.breaker.open:
        return "probing"
    return "draining" if books.drains else "idle"


def _quantiles(histogram: Histogram, books: Snapshot) -> dict[str, float] | None:
    found = {share: histogram.quantile(books.counters, share) for share in QUANTILES}
    return {f"p{share * 100:g}": round(value, 1) for share, value in found.items() if value is not None} or None
