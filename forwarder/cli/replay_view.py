"""What is shown of replays: the account of one, the list of the newest, the dry run."""

import time
from collections.abc import Iterator

import msgspec

from forwarder.cli.boundary import say
from forwarder.cli.output import clipped, json_out, line, table_out
from forwarder.cli.reach import Reach, reached
from forwarder.cli.replay_bar import replay_bar
from forwarder.dead.selection import trace_id_of
from forwarder.operations.replay_forms import Kept, Newest, OneReplay, Replay, WouldDo
from forwarder.operations.table import REPLAY, REPLAYS
from forwarder.times import shown_duration

LOOK_S = 0.5


def show(replay_id: str | None, destination: str, *, watch: bool, as_json: bool) -> None:
    """One replay in full, or the newest in a table."""
    with reached() as reach:
        if replay_id is None:
            _show_all(reach.do(REPLAYS, Newest(destination=destination)), as_json=as_json)
            return
        asked = OneReplay(id=replay_id, destination=destination)
        replay = _watched(reach, asked) if watch else reach.do(REPLAY, asked)
    if as_json:
        json_out(msgspec.to_builtins(replay))
        return
    for name, value in _facts(replay):
        line(f"{name:14} {value}")
    _say_kept(replay.kept_examples, replay.kept)


def _facts(replay: Replay) -> Iterator[tuple[str, str]]:
    yield "replay", replay.id
    yield "state", f"{replay.state} ({replay.note})" if replay.note else replay.state
    yield "selection", replay.selection
    yield "edits", replay.edits or "-"
    for name in ("to", "limit", "rate", "canary", "max_replays"):
        if replay.plan.get(name) is not None:
            yield name.replace("_", " "), str(replay.plan[name])
    yield "looked at", f"{replay.seen:,} of {replay.dead:,}"
    yield "moved", f"{replay.moved:,} of {replay.matched:,} selected"
    yield "delivered", f"{replay.delivered:,}"
    yield "on their way", f"{replay.under_way:,}"
    yield "dead again", f"{replay.died:,}"
    yield "stay dead", f"{replay.kept:,} no valid event, {replay.spent:,} replayed too often"
    yield "gone meanwhile", f"{replay.gone:,}"
    yield "by", f"{replay.by}, run by a worker" if replay.background else replay.by
    yield "began", replay.began
    yield "updated", replay.updated
    yield "ended", replay.ended or "-"


def report(replay: Replay, *, as_json: bool) -> None:
    """The account of a replay that has come to its end, or as far as it came."""
    if as_json:
        json_out(msgspec.to_builtins(replay))
        return
    _say_kept(replay.kept_examples, replay.kept)
    notes = [f"{replay.kept:,} are no valid event and stay dead"] if replay.kept else []
    notes += [f"{replay.spent:,} were replayed too often"] if replay.spent else []
    notes += [f"{replay.gone:,} were gone meanwhile"] if replay.gone else []
    notes += [f"{replay.delivered:,} delivered so far"] if replay.delivered else []
    notes += [f"{replay.died:,} dead again"] if replay.died else []
    notes += [f"{replay.state}: {replay.note}"] if replay.state in ("stopped", "cancelled") else []
    line(f"{replay.moved:,} of {replay.matched:,} dead letters moved" + (f" ({', '.join(notes)})" if notes else ""))


def report_rehearsal(found: WouldDo) -> None:
    """What a replay would do."""
    _say_kept(found.kept_examples, found.kept)
    notes = [f"{found.kept:,} are no valid event and stay dead"] if found.kept else []
    notes += [f"{found.spent:,} were replayed too often"] if found.spent else []
    line(
        f"{found.would_move:,} of {found.matched:,} dead letters would be moved"
        + (f" ({', '.join(notes)})" if notes else "")
    )
    if not found.would_move:
        return
    line(f"in about {shown_duration(found.estimated_s)}")
    table_out(["count", "reason"], [[count, reason] for reason, count in found.reasons.items()])
    rows = [
        [one.id, one.reason, clipped(trace_id_of(one.body.encode("utf-8", "replace")) or ""), clipped(one.body)]
        for one in found.first
    ]
    table_out(["id", "reason", "trace_id", "would be sent"], rows)


def _say_kept(examples: list[Kept], kept: int) -> None:
    for one in examples:
        say(f"{one.id}: {one.problem}")
    if kept > len(examples):
        say(f"… and {kept - len(examples):,} more")


def _show_all(replays: list[Replay], *, as_json: bool) -> None:
    if as_json:
        json_out(msgspec.to_builtins(replays))
        return
    headers = ["id", "state", "moved", "delivered", "dead again", "began", "by", "selection", "note"]
    table_out(headers, [_row(replay) for replay in replays])


def _row(replay: Replay) -> list[object]:
    counts = replay.moved, replay.delivered, replay.died
    return [replay.id, replay.state, *counts, replay.began, replay.by, clipped(replay.selection), replay.note]


def _watched(reach: Reach, asked: OneReplay) -> Replay:
    replay = reach.do(REPLAY, asked)
    with replay_bar(None) as show_bar:
        while replay.active:
            show_bar(replay)
            time.sleep(LOOK_S)
            replay = reach.do(REPLAY, asked)
    return replay
