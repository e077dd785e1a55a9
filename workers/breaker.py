"""Is the destination well? When it is not, everybody pauses; then one probe, then the flow again (pure).

The breaker opens on failures in a row, on a share of failures, on a request to wait (Retry-After), and on an answer
that tells of wrong settings. Opening it sets a pause, longer each time; while it is open, answers to requests that were
under way change nothing; when the pause is over, one drain sends one request: the probe closes it or makes the next
pause. So an outage costs a request per pause and no attempts (circuit breaker; M. Nygard, "Release It!", 2007).
"""

from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from forwarder.queue.flow import Breaker, Opening

RUN_MAX: Final = 5
"""Failures in a row."""
SHARE_MAX: Final = 0.5
SHARE_LEAST: Final = 20.0
"""A share says nothing of fewer requests."""
HALF_LIFE_MS: Final = 10_000
"""After so long an answer counts half."""
FORGIVEN_AFTER_MS: Final = 60_000
"""Health for so long, and the next pause is a short one again."""
SPREAD: Final = 0.1
"""Pauses differ by so much, so that fleets do not come back in step."""


class Seen(Struct, frozen=True):
    """What one drain has seen of a destination since it last said so.

    Attributes:
        good: answers that show the destination to be well.
        failed: requests that failed.
        trailing: failures since the last good answer.
        failure: the latest, in words that quote no event.
        misfit: an answer that tells of wrong settings, with the mend; empty when there was none.
        asked_ms: longest Retry-After.
        asked_by: the answer that had it.
        probe: whether the probe that this drain sent went well; None when it sent none.
        dropped: it has the probe and will not send it.
        waiting: it has something that could be the probe.
    """

    good: int = 0
    failed: int = 0
    trailing: int = 0
    failure: str = ""
    misfit: str = ""
    asked_ms: int = 0
    asked_by: str = ""
    probe: bool | None = None
    dropped: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long pauses are (ms): the first, which doubles, and the longest; both stretched so much by chance."""

    first_ms: int
    longest_ms: int

    stretch: float = 1.0

    def lengthened(self, chance: float) -> "Pauses":
        """The same, a little longer by chance."""
        stretch = 1 + SPREAD * chance
        return Pauses(round(self.first_ms * stretch), round(self.longest_ms * stretch), stretch)

    def stretched(self, length_ms: int) -> int:
        """Another length, as much longer."""
        return round(length_ms * self.stretch)


def observe(breaker: Breaker, seen: Seen, now_ms: int, pauses: Pauses, chance: float) -> tuple[Breaker, Opening | None]:
    """The breaker after what a drain has seen, and the pause that is to be set, if any.

    Args:
        breaker: as it was.
        seen: by one drain.
        now_ms: the server's time.
        pauses: their lengths.
        chance: a random number in [0, 1).
    """
    if breaker.open:
        return _probed(breaker, seen, now_ms, pauses, chance)
    counted = _counted(breaker, seen, now_ms)
    why = _why(counted, seen)
    return _opened(counted, seen, why, now_ms, pauses.lengthened(chance)) if why else (counted, None)


def take_probe(breaker: Breaker, token: str, *, paused: bool, alive: frozenset[str]) -> Breaker:
    """Give the probe to a drain that could send it, when the pause is over and no living drain has it."""
    free = breaker.open and not paused and breaker.prober not in alive
    return replace(breaker, prober=token) if free else breaker


def _probed(breaker: Breaker, seen: Seen, now_ms: int, pauses: Pauses, chance: float) -> tuple[Breaker, Opening | None]:
    if seen.probe:
        return Breaker(trips=breaker.trips, counted_ms=now_ms, closed_ms=now_ms), None
    if seen.probe is None:
        return (replace(breaker, prober="") if seen.dropped else breaker), None
    why = _why(breaker, seen) or (_failing(seen, breaker.run), "upstream")
    return _opened(breaker, seen, why, now_ms, pauses.lengthened(chance))


def _counted(breaker: Breaker, seen: Seen, now_ms: int) -> Breaker:
    fade = 0.5 ** (max(0, now_ms - breaker.counted_ms) / HALF_LIFE_MS)
    run = seen.trailing if seen.good else breaker.run + seen.failed
    good, bad = breaker.good * fade + seen.good, breaker.bad * fade + seen.failed
    return replace(breaker, run=run, good=good, bad=bad, counted_ms=now_ms)


def _why(breaker: Breaker, seen: Seen) -> tuple[str, str] | None:
    """The reason to open, and its kind, if there is one."""
    if seen.misfit:
        return seen.misfit, "settings"
    if seen.asked_ms:
        return f"{seen.asked_by}: the upstream asks to wait {seen.asked_ms / 1000:g} s", "upstream"
    all_of_them = breaker.good + breaker.bad
    too_many = all_of_them >= SHARE_LEAST and breaker.bad >= SHARE_MAX * all_of_them
    if seen.failed and (breaker.run >= RUN_MAX or too_many):
        return _failing(seen, breaker.run), "upstream"
    return None


def _failing(seen: Seen, run: int) -> str:
    many = f"{run} requests in a row" if run >= RUN_MAX else "too many requests"
    return f"the upstream fails ({seen.failure or 'no answer'}), {many}; it is tried again by itself"


def _opened(breaker: Breaker, seen: Seen, why: tuple[str, str], now_ms: int, pauses: Pauses) -> tuple[Breaker, Opening]:
    lasted = not breaker.open and now_ms - breaker.closed_ms > FORGIVEN_AFTER_MS
    only_asked = seen.asked_ms > 0 and not seen.misfit and breaker.run < RUN_MAX  # a healthy upstream that throttles
    trips = breaker.trips if only_asked else 1 if lasted else breaker.trips + 1
    own_ms = 0 if only_asked else min(pauses.longest_ms, pauses.first_ms * (1 << min(trips - 1, 32)))
    opened = Breaker(open=True, run=breaker.run, trips=trips)  # what it counts begins anew when it closes
    return opened, Opening(*why, max(own_ms, pauses.stretched(seen.asked_ms)))
