"""The outcome of a run in numbers (pure)."""

import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.chaos.driver import Run

OK = 200


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds until the next events were delivered: the median and the longest of several times."""

    p50_s: float | None
    max_s: float | None


@dataclass(frozen=True, slots=True)
class KindFigures:
    """One kind of fault.

    Attributes:
        injected: how often.
        missed: how often there was nothing to hit.
        after_begin: recovery, from the moment it struck.
        after_end: recovery, from the moment all was well again.
    """

    injected: int
    missed: int
    after_begin: Recovery
    after_end: Recovery


@dataclass(frozen=True, slots=True)
class Figures:
    """A run.

    Attributes:
        seed: gives the same faults again.
        seconds: from the first possible fault to the last end of one.
        kinds: by name.
        sent: events, by what their producer knows: acknowledged or unknown.
        books: the ledger's counters.
        arrived: different events that the upstream has.
        duplicates: events that it has again.
        requests: that the upstream saw, by the status that it answered.
        deaths: of workers, by exit status; those below 0 are signals.
        settled_s: until nothing waited, once all was well.
        failures: what is not as it must be.
    """

    seed: int
    seconds: float
    kinds: dict[str, KindFigures]
    sent: dict[str, int]
    books: dict[str, int]
    arrived: int
    duplicates: int
    requests: dict[str, int]
    deaths: dict[str, int]
    settled_s: float
    failures: list[str]

    @property
    def injected(self) -> int:
        """Faults."""
        return sum(kind.injected for kind in self.kinds.values())

    def counted(self, prefix: str) -> dict[str, int]:
        """The ledger's counters of one family, as `dead_lettered:`, without the prefix; the largest first."""
        found = {name.removeprefix(prefix): n for name, n in self.books.items() if name.startswith(prefix)}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"ok": not self.failures, "injected": self.injected} | asdict(self)


def figures(run: Run) -> Figures:
    """The figures of a run."""
    history, evidence = run.history, run.evidence
    deliveries = [float(one["at"]) for one in evidence.requests if one["events"] and one["status"] == OK]
    ends = [one.ended_at for one in history.struck if one.ended_at]
    names = sorted({one.kind for one in history.struck} | history.missed.keys())
    return Figures(
        seed=run.seed,
        seconds=round(max(ends, default=history.started_at) - history.started_at, 1),
        kinds={name: _of_kind(run, name, deliveries) for name in names},
        sent={"acknowledged": len(evidence.sent.acknowledged), "unknown": len(evidence.sent.unknown)},
        books=dict(sorted(evidence.books.counters.items())),
        arrived=len(evidence.arrived),
        duplicates=evidence.duplicates,
        requests=_counted(one["status"] for one in evidence.requests),
        deaths=_counted(evidence.deaths),
        settled_s=round(run.settled_s, 1),
        failures=run.failures,
    )


def _counted(found: Iterable[int | None]) -> dict[str, int]:
    """How often each came, the most frequent first."""
    return {"none" if one is None else str(one): times for one, times in Counter(found).most_common()}


def _of_kind(run: Run, name: str, deliveries: Sequence[float]) -> KindFigures:
    struck = [one for one in run.history.struck if one.kind == name]
    return KindFigures(
        injected=len(struck),
        missed=run.history.missed[name],
        after_begin=recovery((one.began_at for one in struck), deliveries),
        after_end=recovery((one.ended_at for one in struck if one.ended_at), deliveries),
    )


def recovery(moments: Iterable[float], deliveries: Sequence[float]) -> Recovery:
    """How long it took from each of these moments to the next delivery.

    Args:
        moments: seconds since 1970.
        deliveries: likewise, in their order; a moment behind the last has no recovery.
    """
    waits = []
    for moment in moments:
        index = bisect_left(deliveries, moment)
        if index < len(deliveries):
            waits.append(deliveries[index] - moment)
    if not waits:
        return Recovery(None, None)
    return Recovery(round(statistics.median(waits), 2), round(max(waits), 2))
