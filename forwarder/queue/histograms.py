"""Distributions as counters of the ledger, so that they change in the same atomic step as what they measure (pure).

A histogram NAME is kept as `NAME:le:BOUND`, how many values were at most BOUND and more than the bound before,
`NAME:le:inf` for those beyond all bounds, and `NAME:sum`, rounded; BOUND is in the unit that the name ends with.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final


@dataclass(frozen=True)
class Histogram:
    """One distribution.

    Attributes:
        name: with the unit at its end.
        bounds: of its buckets, ascending.
    """

    name: str
    bounds: tuple[int, ...]

    def observe(self, tally: Counter[str], value: float, weight: int = 1) -> None:
        """Count a value, `weight` times."""
        tally[self._buckets[bisect_left(self.bounds, value)]] += weight
        tally[f"{self.name}:sum"] += round(value * weight)

    def counts(self, counters: Mapping[str, int]) -> list[int]:
        """The buckets' counts, the one beyond all bounds last."""
        return [counters.get(bucket, 0) for bucket in self._buckets]

    def quantile(self, counters: Mapping[str, int], share: float) -> float | None:
        """The value that this share of the values does not exceed, interpolated inside its bucket; None without any.

        Args:
            counters: of the ledger.
            share: from 0 to 1.
        """
        counts = self.counts(counters)
        wanted = share * sum(counts)
        if not sum(counts):
            return None
        lower, seen = 0, 0
        for count, upper in zip(counts, self.bounds, strict=False):
            if count and seen + count >= wanted:
                return lower + (upper - lower) * (wanted - seen) / count
            lower, seen = upper, seen + count
        return float(self.bounds[-1])

    @cached_property
    def _buckets(self) -> list[str]:
        return [*(f"{self.name}:le:{bound}" for bound in self.bounds), f"{self.name}:le:inf"]


_UP_TO_A_MINUTE: Final = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)

REQUEST_MS: Final = Histogram("request_ms", _UP_TO_A_MINUTE)
"""From the first byte sent to the whole answer, per request."""
DELIVER_MS: Final = Histogram("deliver_ms", (*_UP_TO_A_MINUTE, 300_000, 1_800_000, 7_200_000, 86_400_000))
"""From first accepted to delivered, per event; that of the first entry of its batch stands for all."""
BATCH_EVENTS: Final = Histogram("batch_events", (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000))
"""Events of a batch."""
BATCH_BYTES: Final = Histogram(
    "batch_bytes", (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)
)
"""Bytes of a batch's body."""

ALL: Final = (REQUEST_MS, DELIVER_MS, BATCH_EVENTS, BATCH_BYTES)


def is_bucket(counter: str) -> bool:
    """Whether a counter is part of a histogram."""
    return counter.partition(":")[0] in _NAMES


_NAMES: Final = frozenset(histogram.name for histogram in ALL)
