"""How the fleet's knowledge of a destination changes with what one drain has seen (pure).

Breaker, concurrency limit and size that fits are one state in Redis (`forwarder.queue.flow`). Each drain reports about
five times a second, and at once when something went wrong; who reports decides, for all.
"""

from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from forwarder.queue.flow import Flow, Limit, Member, Opening, Window
from workers import breaker, concurrency, sizing
from workers.breaker import Pauses, Seen
from workers.sizing import Extent

SILENT_AFTER_MS: Final = 3_000
"""A drain that has not reported for so long takes no part: it died, or is stopped."""
TURN_MS: Final = 1_000
"""When there are more drains than requests at once, they take turns of this length."""
RESTART_SHARE: Final = 0.25
"""Of the limit before an outage, with which the flow begins again."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say.

    Attributes:
        most: requests at once over the whole fleet, at most.
        fixed: requests at once, when they are not to be adapted; else None.
        pauses: their lengths.
    """

    most: int
    fixed: int | None
    pauses: Pauses


@dataclass(frozen=True, slots=True)
class Report:
    """What one drain has seen since its last report.

    Attributes:
        seen: of the destination's health.
        window: of its speed; `pushed_back` counts requests of the epoch `epoch`.
        epoch: of the limit that this drain knew.
        wants: requests that it would have in flight.
        peak: the most that it had.
        refused: the smallest request of several events that was answered 413.
        fitted: the largest that was accepted.
    """

    seen: Seen = field(default_factory=Seen)
    window: Window = field(default_factory=Window)
    epoch: int = 0
    wants: int = 0
    peak: int = 0
    refused: Extent | None = None
    fitted: Extent | None = None


def advance(
    flow: Flow, token: str, report: Report, now_ms: int, policy: Policy, *, paused: bool, chance: float
) -> tuple[Flow, Opening | None]:
    """The state after a report, and the pause that is to be set with it, if any.

    Args:
        flow: the state as it was.
        token: of the drain that reports.
        report: what it has seen.
        now_ms: the server's time.
        policy: what the settings say.
        paused: whether a pause is in force.
        chance: a random number in [0, 1).
    """
    members = _members(flow, token, report, now_ms)
    health, opening = breaker.observe(flow.breaker, report.seen, now_ms, policy.pauses, chance)
    if report.seen.waiting and not opening:
        health = breaker.take_probe(health, token, paused=paused, alive=frozenset(members))
    resumed = flow.breaker.open and not health.open
    peak = sum(member.peak for member in members.values())
    limit, window = _limited(flow, report, peak, now_ms, policy, resumed=resumed)
    size = sizing.learn(flow.size, report.refused, report.fitted, now_ms)
    return Flow(health, limit, window, size, members), opening


def without(flow: Flow, token: str) -> Flow:
    """The state after a drain has left."""
    members = {name: member for name, member in flow.members.items() if name != token}
    health = replace(flow.breaker, prober="") if flow.breaker.prober == token else flow.breaker
    return replace(flow, breaker=health, members=members)


def share(flow: Flow, token: str, now_ms: int) -> int:
    """How many requests this drain may have in flight."""
    settled = {name: member.wants for name, member in flow.members.items() if _settled(flow, member, now_ms)}
    return concurrency.shares(int(flow.limit.value), settled, now_ms // TURN_MS).get(token, 0)


def _settled(flow: Flow, member: Member, now_ms: int) -> bool:
    """Whether all others know of a drain and have made room for it; one that is alone need not wait."""
    return len(flow.members) == 1 or now_ms - member.joined_ms >= concurrency.JOINED_AFTER_MS


def _members(flow: Flow, token: str, report: Report, now_ms: int) -> dict[str, Member]:
    present = {name: one for name, one in flow.members.items() if now_ms - one.seen_ms < SILENT_AFTER_MS}
    joined_ms = present[token].joined_ms if token in present else now_ms
    return {**present, token: Member(report.wants, report.peak, joined_ms, now_ms)}


def _limited(
    flow: Flow, report: Report, peak: int, now_ms: int, policy: Policy, *, resumed: bool
) -> tuple[Limit, Window]:
    if policy.fixed is not None:
        return Limit(value=policy.fixed), Window()
    limit = flow.limit
    if resumed:
        slower = max(1.0, limit.value * RESTART_SHARE)
        return replace(limit, value=slower, slow_start=True, epoch=limit.epoch + 1, decided_ms=now_ms), Window()
    pushed_back = report.window.pushed_back if report.epoch == limit.epoch else 0
    window = Window(
        flow.window.answered + report.window.answered,
        flow.window.rtt_ms + report.window.rtt_ms,
        flow.window.pushed_back + pushed_back,
    )
    if concurrency.due(limit, window, now_ms):
        return concurrency.decide(limit, window, peak, now_ms, policy.most), Window()
    return replace(limit, value=min(limit.value, float(policy.most))), window
