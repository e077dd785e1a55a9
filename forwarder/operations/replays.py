"""Replays: rehearse, begin, look, cancel, go on; and one letter that was edited by hand."""

import json
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from forwarder.clock import now_ms
from forwarder.dead.filters import Filters
from forwarder.errors import UsageError
from forwarder.feedback import codec
from forwarder.operations.letters import as_letters, located
from forwarder.operations.operator import Operator
from forwarder.operations.replay_forms import (
    Edited,
    Kept,
    Newest,
    OneReplay,
    Replay,
    ToReplay,
    WouldDo,
    together,
)
from forwarder.queue.replays import Record
from forwarder.replaying.desk import Desk
from forwarder.replaying.desks import Desks
from forwarder.replaying.plan import Plan, check_trace_ids, digest_of, parse_edits, read_plan
from forwarder.replaying.rehearsal import Rehearsal, rehearse
from forwarder.times import shown_moment

SHOWN_MAX = 200


def plan_replay(operator: Operator, asked: ToReplay) -> WouldDo:
    """Look at what a replay would do, and move nothing.

    Raises:
        UsageError: it makes no sense.
    """
    desks, plan, trace_ids = checked(operator, asked)
    found = _rehearsed(operator, desks.each, plan, trace_ids)
    return WouldDo(
        dry_run=True,
        matched=found.matched,
        would_move=found.would_move,
        kept=found.kept,
        spent=found.spent,
        reasons=dict(found.reasons.most_common()),
        estimated_s=round(found.estimated_s(asked.rate), 1),
        first=as_letters(operator, found.first),
        kept_examples=[Kept(*pair) for pair in found.examples],
    )


def _rehearsed(operator: Operator, desks: Sequence[Desk], plan: Plan, trace_ids: dict[str, str]) -> Rehearsal:
    def lookup(wanted: Sequence[str]) -> Sequence[str | None]:
        return [trace_ids.get(trace_id) for trace_id in wanted]

    partitions = [desk.keys for desk in desks]
    return rehearse(operator.client, partitions, plan, codec(operator.settings.limits), lookup)


def start_replay(operator: Operator, asked: ToReplay) -> Replay:
    """Begin a replay that a worker runs.

    Raises:
        UsageError: it makes no sense.
        ReplayRuns: another one of this selection is not over.
    """
    return together([as_replay(record) for _, record in begun(operator, asked, background=True)])


def begun(operator: Operator, asked: ToReplay, *, background: bool) -> Iterator[tuple[Desk, Record]]:
    """Begin a replay of each partition with dead letters, when the one before it was run; of one partition as a rule.

    The limit is for all of them together, and so is the rate; each has its canary.

    Args:
        operator: who asks.
        asked: what it is to do.
        background: workers run them; else the caller does, with the token that the record then holds.
    """
    desks, plan, trace_ids = checked(operator, asked)
    busy, left = desks.busy, plan.limit
    rate = plan.rate / len(busy) if plan.rate and background else plan.rate
    for desk in busy:
        part = replace(plan, rate=rate, limit=left)
        would_move = 0
        if background and left is not None and len(busy) > 1:
            would_move = _rehearsed(operator, [desk], part, trace_ids).would_move
        record = _begin(operator, desk, part, trace_ids, background=background)
        yield desk, record
        if left is not None:
            left -= would_move if background else desk.get(record.id).moved
            if left <= 0:
                return


def replay_edited(operator: Operator, asked: Edited) -> Replay:
    """Replay one letter with another event in its place.

    Raises:
        UsageError: that is no valid event.
        NotThere: there is no such letter.
    """
    keys, _ = located(operator, asked)
    desk = Desk(operator.client, operator.settings, asked.destination, keys.partition)
    plan = Plan(Filters(id=(asked.id,)).selection(now_ms()), body=asked.body)
    desk.check(plan)
    return as_replay(_begin(operator, desk, plan, {}, background=True))


def _begin(operator: Operator, desk: Desk, plan: Plan, trace_ids: dict[str, str], *, background: bool) -> Record:
    detail = ", ".join(_details(plan))
    with operator.noting("replay", desk.destination, selection=plan.selection.describe(), detail=detail) as noted:
        record = desk.begin(plan, by=operator.who, trace_ids=trace_ids, background=background)
        noted.result = f"replay {record.id} begun"
    return record


def replays(operator: Operator, asked: Newest) -> list[Replay]:
    """The replays that began last, the newest first.

    Raises:
        UsageError: so many are not listed.
    """
    if not 1 <= asked.limit <= SHOWN_MAX:
        raise UsageError(f"limit {asked.limit}: from 1 to {SHOWN_MAX} replays are listed")
    return [as_replay(record) for record in _desks(operator, asked.destination).newest(asked.limit)]


def replay(operator: Operator, asked: OneReplay) -> Replay:
    """One replay.

    Raises:
        NotThere: nothing is known of it.
    """
    return as_replay(desk_with(operator, asked).get(asked.id))


def cancel_replay(operator: Operator, asked: OneReplay) -> Replay:
    """End a replay after the page that is under way."""
    desk = desk_with(operator, asked)
    with operator.noting("replay cancel", asked.destination, detail=f"replay {asked.id[:40]}") as noted:
        record = desk.cancel(asked.id, operator.who)
        noted.result = f"{record.state}, {record.moved:,} moved"
    return as_replay(record)


def resume_replay(operator: Operator, asked: OneReplay) -> Replay:
    """Go on with a replay; a worker does."""
    return as_replay(resumed(operator, asked, background=True))


def resumed(operator: Operator, asked: OneReplay, *, background: bool) -> Record:
    """Go on with a replay that was cancelled, stopped or interrupted; `background` as of `begun`."""
    desk = desk_with(operator, asked)
    with operator.noting("replay resume", asked.destination, detail=f"replay {asked.id[:40]}") as noted:
        record = desk.resume(asked.id, background=background)
        noted.result = f"goes on, {record.moved:,} moved"
    return record


def checked(operator: Operator, asked: ToReplay) -> tuple[Desks, Plan, dict[str, str]]:
    """What is asked for as a plan that makes sense, and the map of trace ids.

    Raises:
        UsageError: it does not.
        InvalidSettings: there is no such destination.
    """
    desks, events = _desks(operator, asked.destination), codec(operator.settings.limits)
    trace_ids = dict(asked.trace_ids)
    if trace_ids:
        check_trace_ids(((n, old, new) for n, (old, new) in enumerate(trace_ids.items(), 1)), events, asked.name)
    plan = Plan(
        asked.selection(now_ms()),
        parse_edits(asked.set, asked.unset),
        trace_ids=digest_of(trace_ids),
        to="" if asked.to == asked.destination else asked.to,
        limit=asked.limit,
        rate=asked.rate,
        canary=asked.canary,
        max_replays=asked.max_replays,
    )
    desks.each[0].check(plan)
    return desks, plan, trace_ids


def desk_with(operator: Operator, asked: OneReplay) -> Desk:
    """Where a replay is known.

    Raises:
        InvalidSettings: the destination is not configured.
    """
    return _desks(operator, asked.destination).with_replay(asked.id)


def _desks(operator: Operator, destination: str) -> Desks:
    return Desks.of(operator.client, operator.settings, destination)


def as_replay(record: Record) -> Replay:
    """A record for people and programs."""
    plan = read_plan(record.plan)
    names = ("matched", "moved", "kept", "spent", "gone", "delivered", "died", "under_way")
    others = ("note", "by", "background", "bound", "cursor", "dead", "seen")
    return Replay(
        id=record.id,
        state=_state(record),
        **{name: getattr(record, name) for name in (*names, *others)},
        selection=plan.selection.describe(),
        plan=msgspec.to_builtins(plan),
        began=shown_moment(record.began),
        updated=shown_moment(record.updated),
        ended=shown_moment(record.ended) if record.ended else None,
        kept_examples=[Kept(*pair) for pair in json.loads(record.examples)],
        dry_run=False,
    )


def _state(record: Record) -> str:
    """As in the record; one that is not over and that nobody runs is waiting for a worker, or was interrupted."""
    if not record.active or record.held(now_ms()):
        return record.state
    if record.background:
        return record.state if record.state == "canary" else "waiting"
    return "interrupted"


def _details(plan: Plan) -> list[str]:
    """What a plan does besides, for the trail."""
    found = [f"{name} = {value}" for name, value in plan.edits.items()]
    found += ["an event mended by hand"] if plan.body else []  # which what people wrote is part of
    found += ["trace ids from a map"] if plan.trace_ids else []
    found += [f"to {plan.to}"] if plan.to else []
    for name in ("limit", "rate", "max_replays"):
        value = getattr(plan, name)
        found += [] if value is None else [f"{name.replace('_', ' ')} {value:g}"]
    return [*found, f"canary {plan.canary}"] if plan.canary else found
