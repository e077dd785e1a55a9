"""What `replay` does: ask, run or have it run, show progress, and give an exact account however it ends."""

import contextlib
import getpass
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import typer
from msgspec.structs import replace

from forwarder.cli.asking import ask
from forwarder.cli.boundary import FAILED, say
from forwarder.cli.context import Queue, open_queue
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import is_attended, json_out, line
from forwarder.cli.replay_bar import replay_bar
from forwarder.cli.replay_view import as_json_object, report, report_rehearsal
from forwarder.dead.selection import Selection
from forwarder.errors import ForwarderError
from forwarder.feedback import codec
from forwarder.queue.connection import queue_errors
from forwarder.queue.replays import Record
from forwarder.replaying.desk import Desk
from forwarder.replaying.desks import Desks, added_up
from forwarder.replaying.plan import Plan, digest_of, parse_edits
from forwarder.replaying.rehearsal import Rehearsal
from forwarder.replaying.rehearsal import rehearse as rehearsing
from forwarder.replaying.run import Run
from forwarder.replaying.trace_ids import read_trace_ids
from forwarder.times import shown_moment

WAY_ON = "nothing is lost or doubled; the same command goes on"
SLICE_S = 0.5
OUTCOME_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `replay`, as they were typed; see `forwarder.replaying.plan.Plan`."""

    destination: str
    selection: Selection
    rate: float | None
    limit: int | None
    canary: int
    max_replays: int | None
    edits: tuple[str, ...]
    unset: tuple[str, ...]
    map_trace_id: str | None
    to: str

    def plan(self, trace_ids: dict[str, str]) -> Plan:
        """The plan that they make."""
        return Plan(
            self.selection,
            parse_edits(self.edits, self.unset),
            trace_ids=digest_of(trace_ids),
            to="" if self.to == self.destination else self.to,
            limit=self.limit,
            rate=self.rate,
            canary=self.canary,
            max_replays=self.max_replays,
        )


@dataclass(frozen=True, slots=True)
class _Errand:
    """What is to be done, checked.

    Attributes:
        desks: where; a replay for each.
        plan: for all of them together.
        trace_ids: the map, when the plan has one.
    """

    desks: Sequence[Desk]
    plan: Plan
    trace_ids: dict[str, str]

    def rehearse(self, *desks: Desk, limit: int | None = None) -> Rehearsal:
        """Look, and move nothing; at all desks, unless some are named."""
        first = self.desks[0]

        def lookup(wanted: Sequence[str]) -> list[str | None]:
            return [self.trace_ids.get(trace_id) for trace_id in wanted]

        partitions = [desk.keys for desk in desks or self.desks]
        plan = self.plan if limit is None else replace(self.plan, limit=limit)
        return rehearsing(first.client, partitions, plan, codec(first.settings.limits), lookup)

    def begun(self, background: bool) -> Iterator[tuple[Desk, Record]]:
        """Begin a replay at one desk after the other; in the background at all of them at once.

        The limit is for all together, and the rate too; each has its canary.
        """
        rate, left = self.plan.rate, self.plan.limit
        if background and rate:
            rate /= len(self.desks)
        for desk in self.desks:
            plan = replace(self.plan, rate=rate, limit=left)
            may_move = self.rehearse(desk, limit=left).would_move if background and left is not None else 0
            record = desk.begin(plan, by=whoever(), trace_ids=self.trace_ids, background=background)
            yield desk, record
            if left is not None:
                left -= may_move if background else desk.get(record.id).moved
                if left <= 0:
                    return


def rehearse(asked: Asked, *, as_json: bool) -> None:
    """Only look; exits with 1 when some letters are no valid event."""
    with open_queue() as queue:
        found = _errand(queue, asked).rehearse()
    if as_json:
        json_out(found.as_json(asked.rate))
    else:
        report_rehearsal(found, asked.rate)
    if found.kept:
        raise typer.Exit(FAILED)


def replay(asked: Asked, *, background: bool, wait: bool, yes: bool, as_json: bool) -> None:
    """Move letters back onto the queue; exits with 1 when some stay dead, or die again while that is awaited."""
    with open_queue() as queue:
        errand, expected = _errand(queue, asked), None
        if is_attended():
            expected = errand.rehearse().would_move
            where = f"onto the queue of {asked.to}" if errand.plan.to else "back onto the queue"
            ask(f"move {expected:,} dead letters of {asked.destination} {where}?", yes=yes or not expected)
        begun: Iterable[tuple[Desk, Record]]
        if background:
            begun = list(errand.begun(background=True))
            if not wait:
                _name([record for _, record in begun], as_json=as_json)
                return
        else:
            begun = errand.begun(background=False)
        several = len(errand.desks) > 1
        done = []
        for desk, record in begun:
            done.append(_go(queue, desk, record, None if several else expected, wait=wait, as_json=as_json))
            if done[-1].state != "done":
                break
        _report(done, wait=wait, as_json=as_json)


def resume(replay_id: str, destination: str, *, background: bool, as_json: bool) -> None:
    """Go on with a replay."""
    with open_queue() as queue:
        desk = Desks.of(queue.client, queue.settings, destination).with_replay(replay_id)
        record = desk.resume(replay_id, background=background)
        if record.background:
            _name([record], as_json=as_json)
        else:
            _report([_go(queue, desk, record, None, wait=False, as_json=as_json)], wait=False, as_json=as_json)


def cancel(replay_id: str, destination: str, *, as_json: bool) -> None:
    """End a replay."""
    with open_queue() as queue:
        desks = Desks.of(queue.client, queue.settings, destination)
        record = desks.with_replay(replay_id).cancel(replay_id, whoever())
    if as_json:
        json_out(as_json_object(record))
    else:
        line(f"replay {record.id} is {record.state}: {record.moved:,} dead letters moved")


def whoever() -> str:
    """Who sits here."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _errand(queue: Queue, asked: Asked) -> _Errand:
    desks = Desks.of(queue.client, queue.settings, asked.destination)
    events = codec(queue.settings.limits)
    trace_ids = read_trace_ids(asked.map_trace_id, events) if asked.map_trace_id else {}
    plan = asked.plan(trace_ids)
    desks.each[0].check(plan)
    return _Errand(desks.busy, plan, trace_ids)


def _name(records: list[Record], *, as_json: bool) -> None:
    """Replays in the background."""
    if as_json:
        json_out(as_json_object(added_up(records)))
        return
    for record in records:
        line(f"replay {record.id} runs in the background: forwarder replay status {record.id}")


def _go(queue: Queue, desk: Desk, record: Record, expected: int | None, *, wait: bool, as_json: bool) -> Record:
    """Run a replay that is ours, or follow one in the background."""
    if record.seen:
        say(f"going on with replay {record.id}, begun {shown_moment(record.began)}: {record.moved:,} moved so far")
    return _follow(queue, desk, desk.run(record), expected, wait=wait, as_json=as_json)


def _report(done: list[Record], *, wait: bool, as_json: bool) -> None:
    followed = added_up(done)
    report(followed, as_json=as_json)
    if followed.kept or followed.state != "done" or (wait and followed.died):
        raise typer.Exit(FAILED)


def _follow(queue: Queue, desk: Desk, run: Run, expected: int | None, *, wait: bool, as_json: bool) -> Record:
    """Go through it to its end; however that is, say how far it came."""
    try:
        with queue_errors(queue.settings), Interrupts() as interrupts, replay_bar(expected) as show:
            while run.record.active and not run.record.background:
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
        with contextlib.suppress(ForwarderError), queue_errors(queue.settings):
            if run.record.active:
                desk.cancel(run.record.id, "Ctrl-C")
        report(run.record, as_json=as_json)
        raise KeyboardInterrupt(f"interrupted: {WAY_ON}") from None
    except ForwarderError as error:
        report(run.record, as_json=as_json)
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
