"""What `replay` does: ask, run or have it run, show progress, and give an exact account however it ends."""

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import typer
from msgspec.structs import replace

from forwarder.cli.asking import ask
from forwarder.cli.boundary import FAILED, say
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import counted, is_attended, json_out, line
from forwarder.cli.reach import Direct, Reach, chosen, reached
from forwarder.cli.replay_bar import replay_bar
from forwarder.cli.replay_view import report, report_rehearsal
from forwarder.dead.filters import Filters
from forwarder.errors import ForwarderError
from forwarder.feedback import Limits, codec
from forwarder.operations.operator import Operator
from forwarder.operations.replay_forms import OneReplay, Replay, ToReplay, together
from forwarder.operations.replays import as_replay, begun, desk_with, resumed
from forwarder.operations.table import CANCEL_REPLAY, PLAN_REPLAY, REPLAY, RESUME_REPLAY, START_REPLAY
from forwarder.queue.replays import Record
from forwarder.queue.unavailable import queue_errors
from forwarder.replaying.desk import Desk
from forwarder.replaying.run import Run
from forwarder.replaying.trace_ids import read_trace_ids
from forwarder.times import shown_moment

WAY_ON = "nothing is lost or doubled; the same command goes on"
SLICE_S = 0.5
OUTCOME_LOOK_S = 0.2
_ANY_LENGTH = Limits(trace_id_max_length=65_536)
"""Where the server knows the limit and we do not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `replay`, as they were typed.

    Attributes:
        given: all but the file.
        map_trace_id: the file of trace ids, if any.
    """

    given: ToReplay
    map_trace_id: str | None

    def read(self, reach: Reach) -> ToReplay:
        """With the file."""
        if not self.map_trace_id:
            return self.given
        limits = reach.operator.settings.limits if isinstance(reach, Direct) else _ANY_LENGTH
        return replace(self.given, trace_ids=read_trace_ids(self.map_trace_id, codec(limits)), name=self.map_trace_id)


def asked_for(filters: Filters, destination: str, **options: Any) -> Asked:  # noqa: ANN401 - the options of the command
    """The options of `replay` as one object; see `forwarder.operations.replays.ToReplay`."""
    file, edits = options.pop("map_trace_id"), options.pop("edits")
    return Asked(msgspec.convert({**chosen(filters, destination), **options, "set": edits}, ToReplay), file)


def rehearse(asked: Asked, *, as_json: bool) -> None:
    """Only look; exits with 1 when some letters are no valid event."""
    with reached() as reach:
        found = reach.do(PLAN_REPLAY, asked.read(reach))
    if as_json:
        json_out(msgspec.to_builtins(found))
    else:
        report_rehearsal(found)
    if found.kept:
        raise typer.Exit(FAILED)


def replay(asked: Asked, *, background: bool, wait: bool, yes: bool, as_json: bool) -> None:
    """Move letters back onto the queue; exits with 1 when some stay dead, or die again while that is awaited."""
    with reached() as reach:
        wanted, expected = asked.read(reach), None
        if is_attended():
            expected = reach.do(PLAN_REPLAY, wanted).would_move
            other = wanted.to and wanted.to != wanted.destination
            where = f"onto the queue of {wanted.to}" if other else "back onto the queue"
            ask(f"move {counted(expected, 'dead letter')} of {wanted.destination} {where}?", yes=yes or not expected)
        if isinstance(reach, Direct) and not background:
            _run(reach.operator, begun(reach.operator, wanted, background=False), expected, wait=wait, as_json=as_json)
            return
        started = reach.do(START_REPLAY, wanted)
        _elsewhere(reach, wanted.destination, started, expected, named=background, wait=wait, as_json=as_json)


def resume(replay_id: str, destination: str, *, background: bool, as_json: bool) -> None:
    """Go on with a replay."""
    asked = OneReplay(id=replay_id, destination=destination)
    with reached() as reach:
        if isinstance(reach, Direct) and not background:
            record = resumed(reach.operator, asked, background=False)
            ours = [(desk_with(reach.operator, asked), record)]
            _run(reach.operator, ours, None, wait=False, as_json=as_json)
            return
        going_on = reach.do(RESUME_REPLAY, asked)
        _elsewhere(reach, destination, going_on, None, named=background, wait=False, as_json=as_json)


def cancel(replay_id: str, destination: str, *, as_json: bool) -> None:
    """End a replay."""
    with reached() as reach:
        ended = reach.do(CANCEL_REPLAY, OneReplay(id=replay_id, destination=destination))
    if as_json:
        json_out(msgspec.to_builtins(ended))
    else:
        line(f"replay {ended.id} is {ended.state}: {counted(ended.moved, 'dead letter')} moved")


def _elsewhere(
    reach: Reach, destination: str, begun_one: Replay, expected: int | None, *, named: bool, wait: bool, as_json: bool
) -> None:
    """A replay that a worker runs: only named, or followed to its end."""
    if named and not wait:
        if as_json:
            json_out(msgspec.to_builtins(begun_one))
        else:
            line(f"replay {begun_one.id} runs in the background: forwarder replay status {begun_one.id}")
        return
    asked, now = [OneReplay(id=one, destination=destination) for one in begun_one.each], begun_one
    try:
        with replay_bar(expected) as show:
            while now.active or (wait and now.under_way):
                time.sleep(OUTCOME_LOOK_S)
                now = together([reach.do(REPLAY, one) for one in asked])
                show(now)
    except KeyboardInterrupt:
        now = _cancelled(reach, asked) or now
        report(now, as_json=as_json)
        raise KeyboardInterrupt(f"interrupted: {WAY_ON}") from None
    _account(now, wait=wait, as_json=as_json)


def _cancelled(reach: Reach, asked: Sequence[OneReplay]) -> Replay | None:
    """End those that are not over; None when the queue cannot be asked to."""
    with contextlib.suppress(ForwarderError):
        found = [reach.do(REPLAY, one) for one in asked]
        pairs = zip(asked, found, strict=True)
        return together([reach.do(CANCEL_REPLAY, one) if now.active else now for one, now in pairs])
    return None


def _run(
    operator: Operator, ours: Iterable[tuple[Desk, Record]], expected: int | None, *, wait: bool, as_json: bool
) -> None:
    """Run replays that are ours, one after the other."""
    done = []
    for desk, record in ours:
        if record.seen:
            say(f"going on with replay {record.id}, begun {shown_moment(record.began)}: {record.moved:,} moved so far")
        done.append(_follow(operator, desk, record, expected, wait=wait, as_json=as_json))
        if done[-1].state != "done":
            break
    _account(together([as_replay(record) for record in done]), wait=wait, as_json=as_json)


def _account(over: Replay, *, wait: bool, as_json: bool) -> None:
    report(over, as_json=as_json)
    if over.kept or over.state != "done" or (wait and over.died):
        raise typer.Exit(FAILED)


def _follow(
    operator: Operator, desk: Desk, record: Record, expected: int | None, *, wait: bool, as_json: bool
) -> Record:
    """Go through it to its end; however that is, say how far it came."""
    run = desk.run(record)
    try:
        with queue_errors(operator.settings), Interrupts() as interrupts, replay_bar(expected) as show:
            while run.record.active:
                with interrupts.held():
                    wait_s = run.turn()
                show(run.record)
                _rest(run, wait_s, interrupts)
            record = desk.get(run.record.id)
            while record.active or (wait and record.under_way):
                time.sleep(OUTCOME_LOOK_S)
                record = desk.get(record.id)
                show(record)
            return record if run.record.state != "lost" else _lost(record)
    except KeyboardInterrupt:
        with contextlib.suppress(ForwarderError), queue_errors(operator.settings):
            if run.record.active:
                desk.cancel(run.record.id, "Ctrl-C")
        report(as_replay(run.record), as_json=as_json)
        raise KeyboardInterrupt(f"interrupted: {WAY_ON}") from None
    except ForwarderError as error:
        report(as_replay(run.record), as_json=as_json)
        raise ForwarderError(f"{error}\n{WAY_ON}") from None


def _rest(run: Run, wait_s: float, interrupts: Interrupts) -> None:
    """Wait, and keep the lease meanwhile."""
    deadline = time.monotonic() + wait_s
    while run.record.active and (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(SLICE_S, left_s))
        with interrupts.held():
            run.keep()


def _lost(record: Record) -> Record:
    raise ForwarderError(f"somebody else goes on with replay {record.id}: `forwarder replay status {record.id}`")
