"""What is shown of replays: the account of one, the list of the newest, the dry run."""

import time
from typing import Any

import msgspec

from forwarder.cli.boundary import say
from forwarder.cli.context import open_queue
from forwarder.cli.output import clipped, json_out, line, table_out
from forwarder.cli.replay_bar import replay_bar
from forwarder.dead.selection import trace_id_of
from forwarder.queue.replays import Record
from forwarder.replaying.desk import Desk
from forwarder.replaying.desks import Desks
from forwarder.replaying.plan import read_plan
from forwarder.replaying.rehearsal import Rehearsal
from forwarder.times import shown_duration, shown_moment

LOOK_S = 0.5
_COUNTS = ("matched", "moved", "kept", "spent", "gone", "delivered", "died")
_OTHERS = ("note", "by", "background", "bound", "cursor", "dead", "seen")


def show(replay_id: str | None, destination: str, *, watch: bool, as_json: bool) -> None:
    """One replay in full, or the newest in a table."""
    with open_queue() as queue:
        desks = Desks.of(queue.client, queue.settings, destination)
        if replay_id is None:
            _show_all(desks.newest(), as_json=as_json)
            return
        desk = desks.with_replay(replay_id)
        record = _watched(desk, replay_id) if watch else desk.get(replay_id)
    if as_json:
        json_out(as_json_object(record))
        return
    for name, value in as_json_object(record).items():
        line(f"{name:14} {'-' if value in (None, '') else value}")


def as_json_object(record: Record) -> dict[str, Any]:
    """A replay for programs."""
    plan = read_plan(record.plan)
    return {
        "id": record.id,
        "state": state_of(record),
        **{name: getattr(record, name) for name in _COUNTS},
        "under_way": record.under_way,
        "selection": plan.selection.describe(),
        "plan": msgspec.to_builtins(plan),
        **{name: getattr(record, name) for name in _OTHERS},
        "began": shown_moment(record.began),
        "updated": shown_moment(record.updated),
        "ended": shown_moment(record.ended) if record.ended else None,
        "kept_examples": _kept(record),
        "dry_run": False,
    }


def state_of(record: Record) -> str:
    """As in the record; one that is not over and that nobody runs is waiting for a worker, or was interrupted."""
    if not record.active or record.held(time.time_ns() // 1_000_000):
        return record.state
    if record.background:
        return record.state if record.state == "canary" else "waiting"
    return "interrupted"


def report(record: Record, *, as_json: bool) -> None:
    """The account of a replay that has come to its end, or as far as it came."""
    if as_json:
        json_out(as_json_object(record))
        return
    _say_kept([(one["id"], one["problem"]) for one in _kept(record)], record.kept)
    notes = [f"{record.kept:,} are no valid event and stay dead"] if record.kept else []
    notes += [f"{record.spent:,} were replayed too often"] if record.spent else []
    notes += [f"{record.gone:,} were gone meanwhile"] if record.gone else []
    notes += [f"{record.delivered:,} delivered so far"] if record.delivered else []
    notes += [f"{record.died:,} dead again"] if record.died else []
    notes += [f"{record.state}: {record.note}"] if record.state in ("stopped", "cancelled") else []
    line(f"{record.moved:,} of {record.matched:,} dead letters moved" + (f" ({', '.join(notes)})" if notes else ""))


def report_rehearsal(found: Rehearsal, rate: float | None) -> None:
    """What a replay would do."""
    _say_kept(found.examples, found.kept)
    notes = [f"{found.kept:,} are no valid event and stay dead"] if found.kept else []
    notes += [f"{found.spent:,} were replayed too often"] if found.spent else []
    line(
        f"{found.would_move:,} of {found.matched:,} dead letters would be moved"
        + (f" ({', '.join(notes)})" if notes else "")
    )
    if not found.would_move:
        return
    line(f"in about {shown_duration(found.estimated_s(rate))}")
    table_out(["count", "reason"], [[count, reason] for reason, count in found.reasons.most_common()])
    rows = [
        [
            letter.id,
            letter.reason,
            clipped(trace_id_of(letter.body) or ""),
            clipped(letter.body.decode("utf-8", "replace")),
        ]
        for letter in found.first
    ]
    table_out(["id", "reason", "trace_id", "would be sent"], rows)


def _say_kept(examples: list[tuple[str, str]], kept: int) -> None:
    for letter_id, problem in examples:
        say(f"{letter_id}: {problem}")
    if kept > len(examples):
        say(f"… and {kept - len(examples):,} more")


def _kept(record: Record) -> list[dict[str, str]]:
    return [{"id": letter_id, "problem": problem} for letter_id, problem in msgspec.json.decode(record.examples)]


def _show_all(records: list[Record], *, as_json: bool) -> None:
    if as_json:
        json_out([as_json_object(record) for record in records])
        return
    headers = ["id", "state", "moved", "delivered", "dead again", "began", "by", "selection", "note"]
    table_out(headers, [_row(record) for record in records])


def _row(record: Record) -> list[object]:
    counts = record.moved, record.delivered, record.died
    selection = clipped(read_plan(record.plan).selection.describe())
    return [record.id, state_of(record), *counts, shown_moment(record.began), record.by, selection, record.note]


def _watched(desk: Desk, replay_id: str) -> Record:
    record = desk.get(replay_id)
    with replay_bar(None) as show_bar:
        while record.active:
            show_bar(record)
            time.sleep(LOOK_S)
            record = desk.get(replay_id)
    return record
