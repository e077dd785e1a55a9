"""What the drains of a simulation share, in memory instead of in Redis: `Fleet.exchange` is one compare-and-set."""

from dataclasses import dataclass, field

from forwarder.queue.flow import Limit, Window
from workers.concurrency import decide, due, granted

SILENT_AFTER_MS = 2_000
TURN_MS = 5_000


@dataclass(frozen=True)
class Report:
    """What a drain has seen since its last exchange; counts are of requests of its epoch."""

    epoch: int
    in_flight: int
    wants: int
    peak: int
    answered: int = 0
    rtt_ms: float = 0.0
    rtt_ms2: float = 0.0
    pushed_back: int = 0


@dataclass(frozen=True)
class Member:
    """A drain as the others know it; its peak is -1 until it has reported of this epoch since the last decision."""

    seen_ms: int
    wants: int
    held: int
    peak: int


@dataclass
class Fleet:
    """What the drains share."""

    maximum: int
    limit: Limit = Limit()  # noqa: RUF009 - frozen
    window: Window = Window()  # noqa: RUF009 - frozen
    members: dict[str, Member] = field(default_factory=dict)

    def exchange(self, drain: str, report: Report, now_ms: int) -> int:
        """Take a report, decide if that is due, and answer the drain's share."""
        current = report.epoch == self.limit.epoch
        alive = {name: one for name, one in self.members.items() if now_ms - one.seen_ms < SILENT_AFTER_MS}
        known = alive[drain].peak if drain in alive else -1
        peak = max(known, report.peak) if current else known
        self.members = {**alive, drain: Member(now_ms, report.wants, report.in_flight, peak)}
        self.window = self._joined(report if current else Report(0, 0, 0, 0))
        if due(self.limit, self.window, now_ms):
            self.limit, self.window = decide(self.limit, self.window, now_ms, self.maximum), Window()
            self.members = {name: Member(one.seen_ms, one.wants, one.held, -1) for name, one in self.members.items()}
        wants = {name: one.wants for name, one in self.members.items()}
        held = {name: one.held for name, one in self.members.items()}
        share = granted(self.limit.value, drain, wants, held, now_ms // TURN_MS)
        mine = self.members[drain]
        self.members[drain] = Member(now_ms, mine.wants, max(share, report.in_flight), mine.peak)
        return share

    def _joined(self, report: Report) -> Window:
        peaks = [one.peak for one in self.members.values()]
        return Window(
            answered=self.window.answered + report.answered,
            rtt_ms=self.window.rtt_ms + report.rtt_ms,
            rtt_ms2=self.window.rtt_ms2 + report.rtt_ms2,
            pushed_back=self.window.pushed_back + report.pushed_back,
            peak=sum(max(0, peak) for peak in peaks),
            silent=sum(peak < 0 for peak in peaks),
        )
