"""How many requests one destination gets at once, fleet-wide, and how the drains divide them (pure).

The limit is found by trying. It rises while it is in use and answers come about as quickly as at rest: doubling in slow
start, then by a tenth, and in smaller steps towards what once was too much. Back-pressure sends it back to what is
proven to hold, and one more is tried again, later and later.

Round trips are judged by an experiment, as in BBR and in Envoy's gradient controller: when they have grown, the fleet
rests for a moment, at half the limit. If they get shorter, the queue is of our making, and the limit falls; if not, the
upstream has become slower, and that is the new measure of rest. A mean has crossed a threshold when it is two standard
errors beyond it, so noise moves nothing.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Final

from msgspec.structs import replace

from forwarder.queue.flow import Limit, Window

ROUND_MIN_MS: Final = 100
"""Between two decisions, or the mean round trip if that is longer; back-pressure does not wait."""
QUICK: Final = 1.2
"""Up to so many times the round trip at rest the limit may rise; a queue then has a fifth of what is in flight."""
SLOW: Final = 2.0
"""Beyond so many times the fleet rests at once; in between the limit stays, and there is a rest now and then."""
SLACK_MS: Final = 7.0
"""On top of both: with round trips of a millisecond a factor means nothing."""
STANDARD_ERRORS: Final = 2.0
"""That a mean must be beyond a threshold: right in 39 of 40 cases."""
FELL: Final = 0.75
"""A queue is of our making when at half the limit the round trip is less than so much of itself."""
ROSE: Final = 1.1
"""A round trip of more than so many times the one before still rises, and to rest would teach nothing yet."""
REST_EVERY_MS: Final = 30_000
"""Between two rests while round trips are neither quick nor slow; each costs half the limit for half a second or so."""
PROBE_FIRST_MS: Final = 5_000
PROBE_LAST_MS: Final = 60_000
"""Until one more than what holds is tried again; doubles with each try that fails."""
GLITCHES: Final = 2
"""So much back-pressure between two decisions proves nothing; one below a limit of 16, none below 8."""
NOISE_MOST: Final = 0.03
"""An upstream has its odd 503 at any load. What share that is, up to this one, is learned while there is calm, and so
much, with two standard deviations of chance, proves nothing either."""
NOISE_LEAST: Final = 0.01
"""Taken for granted at a limit that is proven."""
NOISE_OVER: Final = 2_000
"""Answers that this is learned from; then the older count half."""
NOISE_FROM: Final = 200
"""Answers without which little is learned."""
TRIAL_ROUNDS: Final = 4
"""Rounds that must be answered before a limit is proven that comes near what once was too much; else one is enough.

Between two requests there is a gap, so that what is one too many may pass for a round.
"""


def _mean_ms(window: Window) -> float:
    """The mean round trip; there must be an answer."""
    return window.rtt_ms / window.answered


def _error_ms(window: Window) -> float:
    """How far off the mean may be. One more answer, half as long again, is assumed: few are not to be trusted."""
    mean_ms = _mean_ms(window)
    squares = max(0.0, window.rtt_ms2 - window.rtt_ms * mean_ms) + mean_ms**2 / 4
    return STANDARD_ERRORS * sqrt(squares) / window.answered


def due(limit: Limit, window: Window, now_ms: int) -> bool:
    """Whether to decide: under back-pressure, or when all drains have reported and a round of requests is answered."""
    if _pressed(limit, window):
        return True
    on_trial = limit.ceiling and limit.value > limit.proven and not limit.rest_from
    rounds = TRIAL_ROUNDS if on_trial else 1
    if window.silent or window.answered < rounds * max(1, min(window.peak, limit.value)):
        return False
    return now_ms - limit.decided_ms >= max(ROUND_MIN_MS, _mean_ms(window))


def decide(limit: Limit, window: Window, now_ms: int, maximum: int) -> Limit:
    """The next limit.

    Args:
        limit: the one in force.
        window: what was seen under it.
        now_ms: of a clock that the fleet shares.
        maximum: the highest value allowed, from 1.
    """
    pressed = _pressed(limit, window)
    if pressed:
        after = _retreat(limit, now_ms)
    elif not window.answered:
        after = limit
    elif limit.rest_from:
        after = _rested(_calmed(limit, window), window, now_ms)
    else:
        after = _watch(_calmed(limit, window), window, now_ms)
    value = max(1, min(after.value, maximum))
    changed = pressed or value != limit.value
    return replace(after, value=value, decided_ms=now_ms, epoch=limit.epoch + changed)


def resumed(limit: Limit, now_ms: int) -> Limit:
    """The limit after a pause: a quarter, and in slow start back to what is proven.

    What was too much stays known, or the same attempt might lead to the next pause; as an outage may have taught it, it
    is tried without a wait.
    """
    value = max(1, limit.value // 4)
    epoch = limit.epoch + 1
    return replace(limit, value=value, slow_start=True, probe_at_ms=now_ms, rest_from=0, decided_ms=now_ms, epoch=epoch)


def _pressed(limit: Limit, window: Window) -> bool:
    noise = min(limit.calm_pushed / max(limit.calm_answered, NOISE_FROM), NOISE_MOST)
    if limit.value > limit.proven:
        glitches = min(GLITCHES, limit.value // 8)
    else:
        glitches, noise = GLITCHES, max(noise, NOISE_LEAST)
    expected = noise * window.answered
    return window.pushed_back > glitches + expected + STANDARD_ERRORS * sqrt(expected)


def _calmed(limit: Limit, window: Window) -> Limit:
    """What a time without back-pressure teaches of the upstream's own errors."""
    answered, pushed = limit.calm_answered + window.answered, limit.calm_pushed + window.pushed_back
    halved = 1 + (answered > NOISE_OVER)
    return replace(limit, calm_answered=answered // halved, calm_pushed=pushed // halved)


def _retreat(limit: Limit, now_ms: int) -> Limit:
    """Back to what is proven; when that is too much itself, a quarter less. At 1 everything is learned anew."""
    value, proven, wait_ms = limit.value, limit.proven, 0
    if value <= proven:
        proven = 0
    elif proven == value - 1:
        wait_ms = min(max(2 * limit.probe_wait_ms, PROBE_FIRST_MS), PROBE_LAST_MS)
    return replace(
        limit,
        value=proven or value * 3 // 4,
        slow_start=value == 1,
        proven=proven,
        ceiling=value - 1,
        probe_at_ms=now_ms + max(wait_ms, PROBE_FIRST_MS),
        probe_wait_ms=wait_ms,
        rest_from=0,
    )


def _watch(limit: Limit, window: Window, now_ms: int) -> Limit:
    """Grow, stay or rest, by the round trip; a limit that is not in use stays."""
    at_least_ms = _mean_ms(window) - _error_ms(window)
    rising = _risen(limit, window)
    limit = replace(limit, base_rtt_ms=_base_rtt_ms(limit, window), rtt_ms=_mean_ms(window))
    if window.peak < limit.value:
        return limit
    if at_least_ms <= limit.base_rtt_ms * QUICK + SLACK_MS:
        return _grown(limit, now_ms)
    slow = at_least_ms > limit.base_rtt_ms * SLOW + SLACK_MS
    if not rising and (slow or now_ms >= limit.rest_at_ms):  # at 1 no round trip is slow: `_base_rtt_ms`
        limit = replace(limit, value=limit.value // 2, rest_from=limit.value, settled=False)
    return replace(limit, slow_start=False)


def _base_rtt_ms(limit: Limit, window: Window) -> float:
    base_ms = limit.base_rtt_ms or _mean_ms(window)
    if limit.value == 1:  # there is no less to rest at
        base_ms = max(base_ms, _mean_ms(window) - _error_ms(window))
    return min(base_ms, _mean_ms(window) + _error_ms(window))


def _grown(limit: Limit, now_ms: int) -> Limit:
    """A step up, if there is one to take. The value has been in use, and has held."""
    if 0 < limit.ceiling < limit.value:  # the try has worked
        limit = replace(limit, slow_start=True, ceiling=0, probe_wait_ms=0)
    return replace(limit, value=limit.value + _step(limit, now_ms), proven=max(limit.proven, limit.value))


def _step(limit: Limit, now_ms: int) -> int:
    value, gap = limit.value, limit.ceiling - limit.value
    if gap == 0:
        return int(now_ms >= limit.probe_at_ms)
    if value < limit.proven:
        return min(value, limit.proven - value)
    step = min(value, 2 * (value - limit.proven)) if limit.slow_start else value // 10
    return max(1, min(step, gap // 2) if limit.ceiling else step)


def _rested(limit: Limit, window: Window, now_ms: int) -> Limit:
    """The verdict of a rest, of which the first round only settles: a queue of ours, or a slower upstream."""
    if not limit.settled:
        return replace(limit, settled=True)
    after = replace(limit, value=limit.rest_from, rtt_ms=_mean_ms(window), rest_from=0)
    if _risen(limit, window):  # so nothing can be said yet
        return after
    after = replace(after, rest_at_ms=now_ms + REST_EVERY_MS)
    if _mean_ms(window) + _error_ms(window) >= limit.rtt_ms * FELL:
        return replace(after, base_rtt_ms=_mean_ms(window))
    base_ms = min(limit.base_rtt_ms, _mean_ms(window))
    enough = int(limit.rest_from * SLOW * base_ms / limit.rtt_ms)  # a queue grows with the limit
    value = min(max(limit.value, enough), limit.rest_from * 3 // 4)
    return replace(after, value=value, proven=min(limit.proven, value), base_rtt_ms=base_ms)


def _risen(limit: Limit, window: Window) -> bool:
    return _mean_ms(window) - _error_ms(window) > limit.rtt_ms * ROSE


def shares(limit: int, wants: Mapping[str, int], turn: int) -> dict[str, int]:
    """Divide a limit: who wants little gets that, the others share alike, and so do all what nobody wants.

    Args:
        limit: requests at once; the shares add up to it, when there is anybody.
        wants: what each drain could have in flight.
        turn: a slowly rising number; when there are fewer requests than drains that want one, it says whose turn it is.
    """
    wanting = sorted(drain for drain, want in wants.items() if want > 0)
    if limit < len(wanting):
        first = turn % len(wanting)
        lucky = (wanting[first:] + wanting[:first])[:limit]
        return {drain: int(drain in lucky) for drain in wants}
    scarce = sum(wants.values()) >= limit
    result, left = {}, limit
    for served, drain in enumerate(sorted(wants, key=lambda drain: (wants[drain] if scarce else -wants[drain], drain))):
        alike = left // (len(wants) - served)
        result[drain] = min(wants[drain], alike) if scarce else max(wants[drain], alike)
        left -= result[drain]
    return result


def granted(limit: int, drain: str, wants: Mapping[str, int], held: Mapping[str, int], turn: int) -> int:
    """The share of the drain that asks, as far as nobody else holds it.

    Each drain holds what it was granted last, or what it has in flight, if that is more. So all together never hold
    more than the limit, whoever joins, leaves or wants something else; only when the limit falls do they, until each
    has asked again.

    Args:
        limit: requests at once.
        drain: who asks.
        wants: what each drain could have in flight.
        held: what each holds.
        turn: as of `shares`.
    """
    free = limit - sum(holds for other, holds in held.items() if other != drain)
    return max(0, min(shares(limit, wants, turn)[drain], free))
