"""What one drain has seen of its destination since it last told the fleet (pure)."""

from dataclasses import replace

from forwarder.queue.flow import Window
from workers.breaker import RUN_MAX, Seen
from workers.flow import Report
from workers.sizing import Extent
from workers.verdict import Cut, Delivered, Retry, Stop, Verdict

NOTHING = Report()


class Reporter:
    """Collects verdicts; `taken` makes a report of them and begins anew."""

    def __init__(self) -> None:
        self._report = NOTHING

    @property
    def alarming(self) -> bool:
        """Whether nothing more should be sent before the fleet has decided: it may well pause."""
        seen = self._report.seen
        return seen.trailing >= RUN_MAX or bool(seen.misfit or seen.asked_ms)

    @property
    def urgent(self) -> bool:
        """Whether the fleet should hear of it now."""
        report = self._report
        return bool(report.seen.failed or report.seen.misfit or report.seen.probe is not None or report.refused)

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
        report = self._report
        if epoch > report.epoch:  # what was counted of an older epoch says nothing any more
            report = replace(report, epoch=epoch, window=_without_push(report.window))
        seen = _seen(report.seen, verdict, asked_ms)
        if probe:
            seen = replace(seen, probe=isinstance(verdict, Delivered | Cut))
        window = _window(report.window, verdict, rtt_ms, current=epoch == report.epoch)
        self._report = _sized(replace(report, seen=seen, window=window), verdict, extent)

    def drop_probe(self) -> None:
        """The probe that was given to this drain will not be sent."""
        self._report = replace(self._report, seen=replace(self._report.seen, dropped=True))

    def taken(self, *, wants: int, peak: int, waiting: bool) -> Report:
        """The report, with what the drain would do now; the next one begins anew."""
        report, self._report = self._report, NOTHING
        waiting = waiting and not report.seen.dropped  # else it would be given the probe again
        return replace(report, wants=wants, peak=peak, seen=replace(report.seen, waiting=waiting))

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
        self._report = Report(merged, newer.window, newer.epoch, refused=refused, fitted=newer.fitted or report.fitted)


def _seen(seen: Seen, verdict: Verdict, asked_ms: int) -> Seen:
    if isinstance(verdict, Delivered | Cut):
        return replace(seen, good=seen.good + 1, trailing=0)
    if isinstance(verdict, Stop):
        return replace(seen, misfit=verdict.error)
    asked_by = verdict.cause if asked_ms else seen.asked_by
    return replace(
        seen,
        failed=seen.failed + 1,
        trailing=seen.trailing + 1,
        failure=verdict.cause,
        asked_ms=max(seen.asked_ms, asked_ms),
        asked_by=asked_by,
    )


def _window(window: Window, verdict: Verdict, rtt_ms: float, *, current: bool) -> Window:
    if isinstance(verdict, Delivered):
        return Window(window.answered + 1, window.rtt_ms + rtt_ms, window.pushed_back)
    if isinstance(verdict, Retry) and verdict.pushed_back and current:
        return Window(window.answered, window.rtt_ms, window.pushed_back + 1)
    return window


def _without_push(window: Window) -> Window:
    return Window(window.answered, window.rtt_ms, 0)


def _sized(report: Report, verdict: Verdict, extent: Extent) -> Report:
    if isinstance(verdict, Delivered):
        fitted = report.fitted or extent
        most = Extent(max(fitted.events, extent.events), max(fitted.bytes, extent.bytes))
        return replace(report, fitted=most)
    if isinstance(verdict, Cut) and verdict.reason == "too_large" and extent.events > 1:
        refused = report.refused
        return replace(report, refused=extent if refused is None or extent.events < refused.events else refused)
    return report
