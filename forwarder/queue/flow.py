"""The flow: what the whole fleet has learned of a destination, in one string that every drain reads and replaces.

Deciding is for the drains (`workers.flow`, pure); here are the shape of the state and the one step by which a drain
puts a new one in the place of the one it read, sets a pause with it, and learns the pause in force and the server's
time. When another drain was quicker the step changes nothing and brings that drain's state: decide again.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Struct

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause, read_pause
from forwarder.queue.scripts import Argument, Step

LIFE_MS: Final = 7 * 86_400_000
"""A destination to which nobody has sent for a week is learned anew."""


class Breaker(Struct, frozen=True):
    """Whether the destination is well.

    Attributes:
        open: a pause was set because it is not; when the pause is over, one probe goes out.
        run: failures in a row.
        good: answers that show it to be well, the older the less they count.
        bad: failures, likewise.
        counted_ms: when those two were brought up to date.
        trips: openings without a while of health between them; each makes the pause longer.
        closed_ms: when it closed last.
        prober: the token of the drain that may send the probe; empty when nobody has it.
    """

    open: bool = False
    run: int = 0
    good: float = 0.0
    bad: float = 0.0
    counted_ms: int = 0
    trips: int = 0
    closed_ms: int = 0
    prober: str = ""


class Limit(Struct, frozen=True):
    """How many requests the fleet may have in flight (decided in `workers.concurrency`).

    Attributes:
        value: requests at once, fleet-wide.
        slow_start: whether its steps double.
        proven: the highest value that was in use until a decision, and held; 0 when unknown.
        ceiling: one less than what was too much; 0 when unknown. Between it and `proven` there is something to find.
        probe_at_ms: when one more than the ceiling is tried.
        probe_wait_ms: how long that was put off.
        base_rtt_ms: the round trip at rest; 0 when unknown. It falls at once and rises only when a rest has shown it.
        rtt_ms: the mean round trip before the last decision; during a rest, before the rest.
        rest_from: the value before the rest; 0 when there is none.
        settled: whether what was in flight before the rest has been answered.
        rest_at_ms: before this, only slow round trips lead to a rest.
        calm_answered: answers lately, of times without back-pressure that counts.
        calm_pushed: how many more asked for less then: the upstream's own odd errors.
        decided_ms: when it was decided last.
        epoch: its changes so far. What was sent before the last one says nothing about the present value.
    """

    value: int = 1
    slow_start: bool = True
    proven: int = 0
    ceiling: int = 0
    probe_at_ms: int = 0
    probe_wait_ms: int = 0
    base_rtt_ms: float = 0.0
    rtt_ms: float = 0.0
    rest_from: int = 0
    settled: bool = False
    rest_at_ms: int = 0
    calm_answered: int = 0
    calm_pushed: int = 0
    decided_ms: int = 0
    epoch: int = 0


class Window(Struct, frozen=True):
    """What the fleet has seen since the limit was decided; of requests of the present epoch.

    Attributes:
        answered: answers of a destination that is well.
        rtt_ms: their round trips, added up.
        rtt_ms2: the squares of these, added up.
        pushed_back: answers that ask for less, and timeouts.
        peak: the most that each drain had in flight since it knows of this epoch, added up.
        silent: drains that have not reported since, or only of an older epoch.
    """

    answered: int = 0
    rtt_ms: float = 0.0
    rtt_ms2: float = 0.0
    pushed_back: int = 0
    peak: int = 0
    silent: int = 0


class Size(Struct, frozen=True):
    """What fits into one request, as far as refusals (413) have taught; 0 is no bound.

    Attributes:
        events: most events.
        bytes: most bytes of the body.
        good_events: the bound before it last grew.
        good_bytes: likewise.
        fitted_events: most events that were accepted under the present bound.
        fitted_bytes: likewise.
        changed_ms: when a bound changed last.
    """

    events: int = 0
    bytes: int = 0
    good_events: int = 0
    good_bytes: int = 0
    fitted_events: int = 0
    fitted_bytes: int = 0
    changed_ms: int = 0


class Member(Struct, frozen=True):
    """A drain that takes part.

    Attributes:
        wants: requests that it could have in flight.
        share: requests that it may have in flight.
        held: that, or what it has in flight, if that is more.
        peak: the most that it had in flight in the present epoch; -1 until it has reported since the last decision.
        seen_ms: when it reported last.
    """

    wants: int
    share: int
    held: int
    peak: int
    seen_ms: int


class Flow(Struct, frozen=True):
    """All of it."""

    breaker: Breaker = Breaker()
    limit: Limit = Limit()
    window: Window = Window()
    size: Size = Size()
    members: dict[str, Member] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opening:
    """A pause that is to be set with the new state.

    Attributes:
        reason: one line for the operator.
        kind: `settings` when a mend of our settings may end it, else `upstream`.
        length_ms: from now.
    """

    reason: str
    kind: str
    length_ms: int


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange brought.

    Attributes:
        swapped: whether our state was put in place; else another drain's is in `raw`.
        raw: the state in force.
        now_ms: the server's time (ms since 1970).
        pause: in force, if any.
    """

    swapped: bool
    raw: bytes
    now_ms: int
    pause: Pause | None = field(default=None)


_decode = msgspec.json.Decoder(Flow).decode
encode = msgspec.json.Encoder().encode


def decode(raw: bytes) -> Flow:
    """The state that the string holds; a new one when there is none, or when it is not one of ours."""
    try:
        return _decode(raw) if raw else Flow()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Flow()


def read_flow(client: Client, keys: Keys) -> Flow:
    """The state in force, for who only looks."""
    raw: Any = client.get(keys.flow)
    return decode(raw or b"")


def exchange(keys: Keys, read: bytes | None, new: bytes, opening: Opening | None) -> Step[Exchanged]:
    """Put a new state in the place of the one that was read.

    Args:
        keys: of the destination.
        read: the state as it was read; None only reads.
        new: the state as it is to be.
        opening: a pause to be set with it.
    """
    args: list[Argument] = [int(read is not None), read or b"", new, LIFE_MS]
    args += [opening.reason, opening.kind, opening.length_ms] if opening else ["", "", 0]
    return Step("flow", [keys.flow, keys.pause], args, _read)


def _read(reply: list[Any]) -> Exchanged:
    swapped, raw, now_ms, flat = reply
    return Exchanged(bool(swapped), raw, now_ms, read_pause(dict(zip(flat[::2], flat[1::2], strict=True))))
