"""How the fleet's knowledge of a destination changes with what one drain has seen (pure).

Breaker, concurrency limit and size that fits are one state in Redis (`forwarder.queue.flow`). Each drain reports about
five times a second, and at once when something went wrong; who reports decides, for all.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from forwarder.queue.flow import Flow, Limit, Member, Opening, Window
from workers import breaker, concurrency, sizing
from workers.breaker import Pauses, Seen
from workers.sizing import Extent

SILENT_AFTER_MS: Final = 3_000
"""A drain that has not reported for so long takes no part: it died, or is stopped."""
TURN_MS: Final = 5_000
"""When there are more drains than requests at once, they take turns of this length."""


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


class Load(Struct, frozen=True):
    """What one drain has in flight, and what came of it, in one epoch of the concurrency limit.

    Attributes:
        epoch: the one that it knew of.
        in_flight: requests now.
        wants: requests that it could have in flight.
        peak: the most that it had since its last report.
        answered: answers of a destination that is well, to requests of this epoch.
        rtt_ms: their round trips, added up.
        rtt_ms2: the squares of these, added up.
        pushed_back: answers to such requests that ask for less, and timeouts.
    """

    epoch: int = 0
    in_flight: int = 0
    wants: int = 0
    peak: int = 0
    answered: int = 0
    rtt_ms: float = 0.0
    rtt_ms2: float = 0.0
    pushed_back: int = 0


class Report(Struct, frozen=True):
    """What one drain has seen since its last report.

    Attributes:
        seen: of the destination's health.
        load: of its speed.
        refused: the smallest request of several events that was answered 413.
        fitted: the largest that was accepted.
    """

    seen: Seen = Seen()
    load: Load = Load()
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
    members = _members(flow, token, report.load, now_ms)
    health, opening = breaker.observe(flow.breaker, report.seen, now_ms, policy.pauses, chance)
    if report.seen.waiting and not opening:
        health = breaker.take_probe(health, token, paused=paused, alive=frozenset(members))
    resumed = flow.breaker.open and not health.open
    window = _seen(flow, report.load, members)
    limit, window = _limited(flow.limit, window, now_ms, policy, resumed=resumed)
    if limit.epoch != flow.limit.epoch or window == Window():
        members = {name: replace(member, peak=-1) for name, member in members.items()}
    size = sizing.learn(flow.size, report.refused, report.fitted, now_ms)
    return _granted(Flow(health, limit, window, size, members), token, report.load, now_ms), opening


def without(flow: Flow, token: str) -> Flow:
    """The state after a drain has left."""
    members = {name: member for name, member in flow.members.items() if name != token}
    health = replace(flow.breaker, prober="") if flow.breaker.prober == token else flow.breaker
    return replace(flow, breaker=health, members=members)


def share(flow: Flow, token: str) -> int:
    """How many requests this drain may have in flight."""
    return flow.members[token].share if token in flow.members else 0


def _granted(flow: Flow, token: str, load: Load, now_ms: int) -> Flow:
    """The same, with the share of the drain that reports."""
    wants = {name: member.wants for name, member in flow.members.items()}
    held = {name: member.held for name, member in flow.members.items()}
    mine = concurrency.granted(flow.limit.value, token, wants, held, now_ms // TURN_MS)
    member = replace(flow.members[token], share=mine, held=max(mine, load.in_flight))
    return replace(flow, members={**flow.members, token: member})


def _members(flow: Flow, token: str, load: Load, now_ms: int) -> dict[str, Member]:
    present = {name: one for name, one in flow.members.items() if now_ms - one.seen_ms < SILENT_AFTER_MS}
    peak = present[token].peak if token in present else -1
    if load.epoch == flow.limit.epoch:
        peak = max(peak, load.peak)
    return {**present, token: Member(load.wants, 0, load.in_flight, peak, now_ms)}


def _seen(flow: Flow, load: Load, members: dict[str, Member]) -> Window:
    window, peaks = flow.window, [member.peak for member in members.values()]
    current = load if load.epoch == flow.limit.epoch else Load()
    return Window(
        answered=window.answered + current.answered,
        rtt_ms=window.rtt_ms + current.rtt_ms,
        rtt_ms2=window.rtt_ms2 + current.rtt_ms2,
        pushed_back=window.pushed_back + current.pushed_back,
        peak=sum(max(0, peak) for peak in peaks),
        silent=sum(peak < 0 for peak in peaks),
    )


def _limited(limit: Limit, window: Window, now_ms: int, policy: Policy, *, resumed: bool) -> tuple[Limit, Window]:
    """The limit, and the window that goes on; an empty one when the limit was decided."""
    if policy.fixed is not None:
        return Limit(value=policy.fixed), Window()
    if resumed:
        return concurrency.resumed(limit, now_ms), Window()
    if concurrency.due(limit, window, now_ms):
        return concurrency.decide(limit, window, now_ms, policy.most), Window()
    return replace(limit, value=min(limit.value, policy.most)), window
