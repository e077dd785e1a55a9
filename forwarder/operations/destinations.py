"""Destinations: pause and resume them; what binds them, and where each bound comes from; who works for them."""

from msgspec import Struct

from forwarder.operations.limits import Setting, in_force, origins
from forwarder.operations.operator import Nothing, Of, Operator
from forwarder.operations.status import Fits, Paused, paused
from forwarder.queue.connection import connect, control_url
from forwarder.queue.crew import DrainSeen, WorkerSeen, drains, workers
from forwarder.queue.flow import read_flow
from forwarder.queue.pause import end_pause, get_pause, set_pause
from forwarder.queue.scripts import run
from forwarder.times import parse_duration_s

REASON_MAX_LENGTH = 500


class ToPause(Of, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why, and for how long (`90s`, `30m`, `2h`); until it is resumed by hand when that is not said."""

    reason: str = "by hand"
    duration: str | None = None


class PauseBegun(Struct, frozen=True):
    """A pause in force."""

    destination: str
    paused: Paused | None


class PauseEnded(Struct, frozen=True):
    """A destination that is not paused any more."""

    destination: str
    paused: None
    was_paused: bool


class Learned(Struct, frozen=True):
    """What the fleet has learned of a destination.

    Attributes:
        concurrency: requests at once.
        requests_held: requests that drains may have or have in flight.
        base_rtt_ms: round trip at rest; 0 when unknown.
        fits: into one request.
        failures_in_a_row: of the last requests.
        breaker_open: whether a probe decides what comes next.
    """

    concurrency: int
    requests_held: int
    base_rtt_ms: float
    fits: Fits
    failures_in_a_row: int
    breaker_open: bool


class Destination(Struct, frozen=True):
    """One destination: where it is, the pause in force, its settings and what was learned of it."""

    name: str
    url: str
    paused: Paused | None
    settings: list[Setting]
    learned: Learned


class Crew(Struct, frozen=True):
    """Who works now."""

    workers: list[WorkerSeen]
    drains: list[DrainSeen]


def pause(operator: Operator, asked: ToPause) -> PauseBegun:
    """Send nothing to a destination, in place of a pause that is in force.

    Raises:
        UsageError: the duration cannot be.
        InvalidSettings: the destination is not configured.
    """
    seconds = None if asked.duration is None else parse_duration_s(asked.duration)
    keys, reason = operator.keys(asked.destination), asked.reason[:REASON_MAX_LENGTH]
    detail = reason if asked.duration is None else f"{reason}, for {asked.duration}"
    with operator.noting("pause", asked.destination, detail=detail):
        run(operator.client, set_pause(keys, reason, seconds))
    return PauseBegun(asked.destination, _paused(operator, asked.destination))


def resume(operator: Operator, asked: Of) -> PauseEnded:
    """End a pause, whoever began it."""
    keys = operator.keys(asked.destination)
    with operator.noting("resume", asked.destination) as noted:
        was_paused = run(operator.client, end_pause(keys))
        noted.result = "resumed" if was_paused else "was not paused"
    return PauseEnded(asked.destination, None, was_paused)


def destinations(operator: Operator, _: Nothing) -> list[Destination]:
    """All destinations, with what binds them."""
    set_by = origins()
    return [_destination(operator, name, set_by) for name in operator.settings.destination_names]


def crew(operator: Operator, _: Nothing) -> Crew:
    """The workers that RQ knows, and the drains of all destinations."""
    with connect(operator.settings, control_url(operator.settings)) as control:
        hands = workers(control)
    found: list[DrainSeen] = []
    for name in operator.settings.destination_names:
        flow = read_flow(operator.client, operator.keys(name))
        for keys in operator.partitions(name):
            found += drains(operator.client, keys, flow)
    return Crew(hands, found)


def _destination(operator: Operator, name: str, set_by: dict[str, str]) -> Destination:
    flow = read_flow(operator.client, operator.keys(name))
    learned = Learned(
        concurrency=flow.limit.value,
        requests_held=sum(member.held for member in flow.members.values()),
        base_rtt_ms=round(flow.limit.base_rtt_ms, 1),
        fits=Fits(flow.size.events or None, flow.size.bytes or None),
        failures_in_a_row=flow.breaker.run,
        breaker_open=flow.breaker.open,
    )
    settings = list(in_force(operator.settings, name, set_by))
    return Destination(name, operator.settings.upstream(name).url, _paused(operator, name), settings, learned)


def _paused(operator: Operator, destination: str) -> Paused | None:
    return paused(get_pause(operator.client, operator.keys(destination)))
