"""Prometheus metrics, read from the ledger: they survive restarts and agree with the queue (pure).

prometheus_client writes the exposition format; its own registry and its files for forked processes stay unused, since
the numbers are the ledger's and the same whichever process is asked.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from forwarder.queue.dead_letters import REASONS
from forwarder.queue.histograms import BATCH_BYTES, BATCH_EVENTS, DELIVER_MS, REQUEST_MS, Histogram
from forwarder.queue.standing import Standing

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "forwarder_"
DESTINATION: Final = "destination"

COUNTERS: Final = {
    "accepted": "Events that the queue took.",
    "replayed": "Dead letters that were moved back onto the queue.",
    "delivered": "Events that the upstream took.",
    "dead_lettered": "Events that became dead letters, by reason.",
    "purged": "Dead letters that were deleted.",
    "refused": "Events that the queue did not take, by reason.",
    "ingest_refused": "Requests that the HTTP ingest refused as the caller's fault, by the status of the answer.",
    "dropped": "Events that a producer gave up before the queue had them, by reason.",
    "requests": "Requests to the upstream, by the status of the answer; none: no answer came.",
    "retries": "Requests that had to be repeated.",
    "ambiguous": "Events that may have been delivered twice.",
    "entries_settled": "Stream entries that have their outcome.",
}
"""The ledger's counters, without what follows a colon: that becomes the label of LABELS."""
LABELS: Final = {
    **dict.fromkeys(("dead_lettered", "refused", "dropped"), "reason"),
    **dict.fromkeys(("requests", "ingest_refused"), "status"),
}
KNOWN: Final = {
    "dead_lettered": REASONS,
    "refused": ("backlog", "memory"),
    "ingest_refused": ("401", "413", "422"),
    "dropped": ("buffer_full", "closed", "exit", "invalid", "spill_full", "spill_unavailable"),
}
"""Shown also while they are nought: a rate misses the first step of a series that was not there before."""
PAUSES: Final = ("hand", "settings", "upstream")
"""Kinds of pauses."""

HISTOGRAMS: Final = {
    "request_seconds": (REQUEST_MS, 1000, "From the first byte of a request sent to the whole answer."),
    "deliver_seconds": (DELIVER_MS, 1000, "From an event's acceptance to its delivery."),
    "batch_events": (BATCH_EVENTS, 1, "Events of a batch."),
    "batch_bytes": (BATCH_BYTES, 1, "Bytes of a batch's body."),
}
"""By name: the ledger's, by what its numbers are divided for Prometheus's base unit, what it is."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is shown.

    Attributes:
        standings: by destination; None while the queue cannot be read.
        backlog_max_events: waiting events at which appends are refused.
        workers: RQ workers that live; None when it is not known.
        version: of this release.
        now_ms: the time (ms since 1970).
    """

    standings: Mapping[str, Standing] | None
    backlog_max_events: int
    workers: int | None
    version: str
    now_ms: int


def exposition(scene: Scene) -> bytes:
    """The metrics of all destinations, in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(scene))
    return generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.standings = scene.standings or {}

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        if self.scene.standings is not None:
            yield from self._counters()
            yield from self._gauges()
            yield self._pauses()
            yield from self._histograms()

    def _process(self) -> Iterator[Metric]:
        """What belongs to no destination."""
        scene = self.scene
        build = GaugeMetricFamily(f"{PREFIX}build_info", "The release that was asked.", labels=["version"])
        build.add_metric([scene.version], 1)
        yield build
        up = int(scene.standings is not None)
        yield GaugeMetricFamily(f"{PREFIX}queue_up", "1 while the queue can be read.", value=up)
        limit = "Waiting events of a destination at which the queue takes no more."
        yield GaugeMetricFamily(f"{PREFIX}backlog_limit_events", limit, value=scene.backlog_max_events)
        if scene.workers is not None:
            yield GaugeMetricFamily(f"{PREFIX}workers", "RQ workers that live.", value=scene.workers)

    def _counters(self) -> Iterator[Metric]:
        for name, about in COUNTERS.items():
            label = LABELS.get(name)
            labels = [DESTINATION] if label is None else [DESTINATION, label]
            family = CounterMetricFamily(PREFIX + name, about, labels=labels)
            for destination, standing in self.standings.items():
                if label is None:
                    family.add_metric([destination], standing.books[name])
                    continue
                for value, amount in _by_label(standing.books.counters, name).items():
                    family.add_metric([destination, value], amount)
            yield family

    def _gauges(self) -> Iterator[Metric]:
        gauges: dict[str, tuple[str, Callable[[Standing], float]]] = {
            "pending": ("Events that were accepted and have no outcome yet.", lambda one: one.books["pending"]),
            "entries": ("Entries on the stream.", lambda one: one.books.entries),
            "held_entries": ("Entries that a drain has read and not settled.", lambda one: one.extent.held),
            "backlog_bytes": ("Redis's memory that the stream takes, estimated.", lambda one: one.extent.bytes),
            "backlog_age_seconds": ("Age of the oldest entry on the stream.", self._age_s),
            "dead": ("Dead letters.", lambda one: one.books.dead),
            "drains": ("Drains at work or promised.", lambda one: one.books.drains),
            "in_flight_batches": ("Batches that are being sent.", lambda one: one.extent.sending),
            "concurrency_limit": ("Requests at once that the upstream takes.", lambda one: one.flow.limit.value),
            "books_closed": ("1 while the books close.", lambda one: all(line.closes for line in one.books.lines)),
        }
        for name, (about, read) in gauges.items():
            family = GaugeMetricFamily(PREFIX + name, about, labels=[DESTINATION])
            for destination, standing in self.standings.items():
                family.add_metric([destination], read(standing))
            yield family

    def _age_s(self, standing: Standing) -> float:
        oldest_ms = standing.books.oldest_ms
        return 0.0 if oldest_ms is None else max(0, self.scene.now_ms - oldest_ms) / 1000

    def _pauses(self) -> Metric:
        about = "1 while nobody sends to the destination; by hand, for our settings, or because the upstream is unwell."
        family = GaugeMetricFamily(f"{PREFIX}paused", about, labels=[DESTINATION, "reason"])
        for destination, standing in self.standings.items():
            for kind in PAUSES:
                family.add_metric([destination, kind], standing.pause is not None and standing.pause.kind == kind)
        return family

    def _histograms(self) -> Iterator[Metric]:
        for name, (histogram, divisor, about) in HISTOGRAMS.items():
            family = HistogramMetricFamily(PREFIX + name, about, labels=[DESTINATION])
            for destination, standing in self.standings.items():
                family.add_metric([destination], *_distribution(histogram, divisor, standing))
            yield family


def _distribution(histogram: Histogram, divisor: int, standing: Standing) -> tuple[list[tuple[str, float]], float]:
    """Its buckets, each with all values up to its bound, and the sum of all values."""
    bounds = [*(f"{bound / divisor:g}" if divisor > 1 else str(bound) for bound in histogram.bounds), "+Inf"]
    counts = accumulate(histogram.counts(standing.books.counters))
    return list(zip(bounds, counts, strict=True)), standing.books[f"{histogram.name}:sum"] / divisor


def _by_label(counters: Mapping[str, int], name: str) -> dict[str, int]:
    """The amounts of a counter by the value of its label."""
    found = dict.fromkeys(KNOWN.get(name, ()), 0)
    prefix = f"{name}:"
    for counter, amount in counters.items():
        if counter.startswith(prefix):
            found[counter.removeprefix(prefix)] = amount
    return found
