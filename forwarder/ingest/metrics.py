"""Prometheus metrics, read from the ledger: they survive restarts and agree with the queue (pure).

prometheus_client writes the exposition format; its own registry and its files for forked processes stay unused, since
the numbers are the ledger's and the same whichever process is asked.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from forwarder.queue import histograms
from forwarder.queue.ledger import Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "forwarder_"
DESTINATION: Final = ("destination",)

COUNTERS: Final = {
    "accepted": "Events that the queue took.",
    "replayed": "Dead letters that were moved back onto the queue.",
    "delivered": "Events that the upstream took.",
    "dead_lettered": "Events that became dead letters, by reason.",
    "purged": "Dead letters that were deleted.",
    "refused": "Events that were refused at the edge, by reason.",
    "requests": "Requests to the upstream, by status.",
    "retries": "Requests that had to be repeated.",
    "ambiguous": "Events that may have been delivered twice.",
}
"""The ledger's counters, without what follows a colon: that becomes the label of LABELS."""
LABELS: Final = {"dead_lettered": "reason", "refused": "reason", "requests": "status"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a destination stands.

    Attributes:
        books: of its queue.
        paused: whether nobody sends to it.
    """

    books: Snapshot
    paused: bool


def exposition(standings: Mapping[str, Standing], now_ms: int) -> bytes:
    """The metrics of all destinations, in Prometheus's text format.

    Args:
        standings: by destination.
        now_ms: the time, in ms since 1970.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(standings, now_ms))
    return generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, standings: Mapping[str, Standing], now_ms: int) -> None:
        self._standings = standings
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._gauges()
        yield from self._histograms()

    def _counters(self) -> Iterator[Metric]:
        for name, about in COUNTERS.items():
            label = LABELS.get(name)
            family = CounterMetricFamily(PREFIX + name, about, labels=[*DESTINATION, *([label] if label else [])])
            for destination, standing in self._standings.items():
                for value, amount in _split(standing.books.counters, name, labelled=label is not None).items():
                    family.add_metric([destination, *([value] if label else [])], amount)
            yield family

    def _gauges(self) -> Iterator[Metric]:
        gauges: dict[str, tuple[str, Callable[[Standing], float]]] = {
            "pending": ("Events that wait.", lambda one: one.books["pending"]),
            "entries": ("Entries on the stream.", lambda one: one.books.entries),
            "dead": ("Dead letters.", lambda one: one.books.dead),
            "drains": ("Drains at work or promised.", lambda one: one.books.drains),
            "paused": ("1 while nobody sends to the destination.", lambda one: int(one.paused)),
            "oldest_seconds": ("Age of the oldest entry that waits.", lambda one: self._age_s(one.books)),
        }
        for name, (about, read) in gauges.items():
            family = GaugeMetricFamily(PREFIX + name, about, labels=DESTINATION)
            for destination, standing in self._standings.items():
                family.add_metric([destination], read(standing))
            yield family

    def _age_s(self, books: Snapshot) -> float:
        return 0.0 if books.oldest_ms is None else max(0, self._now_ms - books.oldest_ms) / 1000

    def _histograms(self) -> Iterator[Metric]:
        for histogram in histograms.ALL:
            name, divisor = _in_seconds(histogram.name)
            family = HistogramMetricFamily(PREFIX + name, "Distribution of the ledger.", labels=DESTINATION)
            bounds = [*(f"{bound / divisor:g}" for bound in histogram.bounds), "+Inf"]
            for destination, standing in self._standings.items():
                counts = accumulate(histogram.counts(standing.books.counters))
                total = standing.books[f"{histogram.name}:sum"] / divisor
                family.add_metric([destination], list(zip(bounds, counts, strict=True)), total)
            yield family


def _split(counters: Mapping[str, int], name: str, *, labelled: bool) -> dict[str, int]:
    """The amounts of a counter by the value of its label; `other` is what has none."""
    if not labelled:
        return {"": counters.get(name, 0)}
    found: defaultdict[str, int] = defaultdict(int)
    for counter, amount in counters.items():
        kind, _, value = counter.partition(":")
        if kind == name and value:
            found[value] += amount
    return found


def _in_seconds(name: str) -> tuple[str, int]:
    """Prometheus's base unit in place of ms: the name, and what the numbers are divided by."""
    return (f"{name.removesuffix('_ms')}_seconds", 1000) if name.endswith("_ms") else (name, 1)
