"""Replays by the desk, in the background or turn by turn, and where their letters are."""

import json
from collections import Counter
from typing import Any

from forwarder.dead.selection import Selection
from forwarder.queue.keys import Keys
from forwarder.queue.replays import Record
from forwarder.replaying.desk import Desk
from forwarder.replaying.plan import Plan
from forwarder.replaying.run import Run
from tests.support.rig import Rig
from tests.support.waiting import eventually

ALL = Selection()
"""Every dead letter."""
WITH_EU = {"FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS": "100"}
"""A second destination, whose batches are smaller."""
EU = Keys("eu")


def desk(rig: Rig) -> Desk:
    """Of the default destination."""
    return Desk(rig.redis, rig.settings, "default")


def begun(rig: Rig, plan: Plan, *, background: bool = False, trace_ids: dict[str, str] | None = None) -> Record:
    """A replay that has been checked and has begun: for a worker to run, or for the caller."""
    desk(rig).check(plan)
    return desk(rig).begin(plan, by="test", trace_ids=trace_ids or {}, background=background)


def finished(rig: Rig, record: Record, within_s: float = 60.0) -> Record:
    """The replay once it is over and each of its events has its outcome."""
    assert eventually(lambda: over(desk(rig).get(record.id)), within_s), f"{desk(rig).get(record.id)}\n{said(rig)}"
    return desk(rig).get(record.id)


def over(record: Record) -> bool:
    """Whether nothing moves any more, and each event has its outcome."""
    return not record.active and not record.under_way


def said(rig: Rig) -> str:
    """The end of the workers' log."""
    return rig.log.read_text()[-6_000:] if rig.log.exists() else ""


def ran(run: Run, turns: int = 10_000) -> Record:
    """The replay after so many turns at most, or when it waits."""
    for _ in range(turns):
        if not run.record.active or run.turn():
            break
    return run.record


def moved_at_least(rig: Rig, record: Record, wanted: int) -> bool:
    """Whether so many letters have moved, once they have."""
    return eventually(lambda: desk(rig).get(record.id).moved >= wanted)


def on_queue(rig: Rig, keys: Keys | None = None) -> Counter[str]:
    """How often each trace id is on the queue."""
    found: Counter[str] = Counter()
    entries: Any = rig.redis.xrange((keys or rig.keys).events)
    for _, fields in entries:
        body = json.loads(fields[b"body"])
        found.update(event["trace_id"] for event in (body if isinstance(body, list) else [body]))
    return found


def dead_ids(rig: Rig) -> list[str]:
    """The trace ids of the dead letters, the oldest first."""
    return [json.loads(letter.body)["trace_id"] for letter in rig.dead()]
