"""What one drain has seen of its destination since it last told the fleet (pure)."""

from msgspec.structs import replace

from workers.breaker import RUN_MAX, Seen
from workers.flow import Load, Report
from workers.sizing import Extent
from workers.verdict import Cut, Delivered, Retry, Stop, Verdict


class Reporter:
    """Collects verdicts; `taken` makes a report of them and begins anew."""

    def __init__(self) -> None:
        self._report = Report()

    @property
    def alarming(self) -> bool:
        """Whether nothing more should be sent before the fleet has decided: it will pause."""
        seen = self._report.seen
        return seen.trailing >= RUN_MAX or bool(seen.misfit or seen.asked_ms)

    @property
    def urgent(self) -> bool:
        """Whether the fleet should hear of it now."""
        report = self._report
        return bool(report.seen.failed or report.seen.misfit or report.seen.probe is not None or report.refused)

    def begin(self, epoch: int) -> None:
        """A new epoch of the concurrency limit: what was counted of the one before says nothing any more."""
        if epoch != self._report.load.epoch:
            self._report = replace(self._report, load=Load(epoch))

    def note(self, verdict: Verdict, extent: Extent, rtt_ms: float, *, asked_ms: int, probe: bool, epoch: int) -> None:
        """Note the verdict on a request.

        Args:
            verdict: on its answer.
            extent: how large the request was.
            rtt_ms: how long the answer took.
            asked_ms: the Retry-After that everybody is to respect; 0 for none.
            probe: whether it was the probe.
            epoch: of the concurrency limit when it was sent.
        """
        report, current = self._report, epoch == self._report.load.epoch
        seen = report.seen
        if not _is_excess(verdict) or (current and not report.load.pushed_back):
            seen = _seen(seen, verdict)
        if asked_ms and isinstance(verdict, Retry):
            seen = replace(seen, asked_ms=max(seen.asked_ms, asked_ms), asked_by=verdict.cause)
        if probe:
            seen = replace(seen, probe=isinstance(verdict, Delivered | Cut))
        load = _load(report.load, verdict, rtt_ms) if current else report.load
        self._report = _sized(replace(report, seen=seen, load=load), verdict, extent)

    def drop_probe(self) -> None:
        """The probe that was given to this drain will not be sent."""
        self._report = replace(self._report, seen=replace(self._report.seen, dropped=True))

    def taken(self, *, in_flight: int, wants: int, peak: int, waiting: bool) -> Report:
        """The report, with what the drain does and would do now; the next one begins anew.

        Args:
            in_flight: requests now.
            wants: requests that it could have in flight.
            peak: the most that it had since the last report.
            waiting: whether it has something that could be the probe.
        """
        report, self._report = self._report, Report(load=Load(self._report.load.epoch))
        waiting = waiting and not report.seen.dropped  # else it would be given the probe again
        load = replace(report.load, in_flight=in_flight, wants=wants, peak=peak)
        return replace(report, load=load, seen=replace(report.seen, waiting=waiting))

    def give_back(self, report: Report) -> None:
        """A report that could not be delivered; what has been noted meanwhile is newer and goes on top of it."""
        newer = self._report
        seen, new = report.seen, newer.seen
        merged = Seen(
            good=seen.good + new.good,
            failed=seen.failed + new.failed,
            trailing=new.trailing if new.good else seen.trailing + new.trailing,
            failure=new.failure or seen.failure,
            misfit=new.misfit or seen.misfit,
            asked_ms=max(seen.asked_ms, new.asked_ms),
            asked_by=new.asked_by or seen.asked_by,
            probe=seen.probe if new.probe is None else new.probe,
            dropped=seen.dropped or new.dropped,
        )
        refused = min(filter(None, (report.refused, newer.refused)), key=lambda one: one.events, default=None)
        self._report = Report(merged, newer.load, refused=refused, fitted=_most(report.fitted, newer.fitted))


def _is_excess(verdict: Verdict) -> bool:
    """Whether a request may have failed only because it was one too many.

    A step too far of the concurrency limit brings many such answers at once, before any good one; so they count as one
    failure until the limit was decided anew.
    """
    return isinstance(verdict, Retry) and verdict.pushed_back and verdict.answered


def _seen(seen: Seen, verdict: Verdict) -> Seen:
    if isinstance(verdict, Delivered | Cut):
        return replace(seen, good=seen.good + 1, trailing=0)
    if isinstance(verdict, Stop):
        return replace(seen, misfit=verdict.error)
    return replace(seen, failed=seen.failed + 1, trailing=seen.trailing + 1, failure=verdict.cause)


def _load(load: Load, verdict: Verdict, rtt_ms: float) -> Load:
    if isinstance(verdict, Delivered):
        return replace(
            load,
            answered=load.answered + 1,
            rtt_ms=load.rtt_ms + rtt_ms,
            rtt_ms2=load.rtt_ms2 + rtt_ms * rtt_ms,
        )
    if isinstance(verdict, Retry) and verdict.pushed_back:
        return replace(load, pushed_back=load.pushed_back + 1)
    return load


def _sized(report: Report, verdict: Verdict, extent: Extent) -> Report:
    if isinstance(verdict, Delivered):
        return replace(report, fitted=_most(report.fitted, extent))
    if isinstance(verdict, Cut) and verdict.reason == "too_large" and extent.events > 1:
        refused = report.refused
        return replace(report, refused=extent if refused is None or extent.events < refused.events else refused)
    return report


def _most(one: Extent | None, other: Extent | None) -> Extent | None:
    if one is None or other is None:
        return one or other
    return Extent(max(one.events, other.events), max(one.bytes, other.bytes))
