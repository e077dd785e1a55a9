"""Where replays are asked for, looked at and cancelled, by command, over HTTP or from the console.

A replay in the background is no job yet: its record is all there is. Whoever sweeps finds it and asks for a job, as
with entries that wait; so nobody here needs to know RQ.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from forwarder import clock
from forwarder.errors import ForwarderError, NotThere, UsageError
from forwarder.feedback import codec
from forwarder.queue import replays
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.lease import new_token
from forwarder.queue.replays import Record
from forwarder.queue.scripts import run
from forwarder.replaying.plan import Plan, check_body, check_edits, read_plan
from forwarder.replaying.run import Run
from forwarder.replaying.site import Site
from forwarder.settings import Settings
from forwarder.times import shown_moment

REPLAY_ID: Final = re.compile(r"[0-9a-f]{12}")
SHOWN: Final = 20
"""Replays that are listed."""


class ReplayRuns(ForwarderError):
    """Another replay of the same selection is not over.

    Attributes:
        record: that one.
    """

    def __init__(self, record: Record, now_ms: int) -> None:
        self.record = record
        does = "runs" if record.background or record.held(now_ms) else "was interrupted"
        goes_on = "" if does == "runs" else f", `forwarder replay resume {record.id}` goes on with it"
        super().__init__(
            f"replay {record.id} of this selection {does} (begun {shown_moment(record.began)} by {record.by}, "
            f"{record.moved:,} moved): `forwarder replay status {record.id}` shows it{goes_on}, "
            f"`forwarder replay cancel {record.id}` ends it"
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """The replays of one destination's dead letters.

    Attributes:
        client: of the queue.
        settings: in force.
        destination: whose letters.
        partition: which of its partitions.
    """

    client: Client
    settings: Settings
    destination: str
    partition: int = 0

    @property
    def keys(self) -> Keys:
        """Of the partition whose letters return."""
        return Keys(self.destination, self.partition, self.settings.key_prefix)

    def check(self, plan: Plan) -> None:
        """See that a plan makes sense, before anything moves.

        Raises:
            UsageError: an edit that no event could have.
            InvalidSettings: there is no such destination.
        """
        check_edits(plan.edits, codec(self.settings.limits))
        if plan.body:
            check_body(plan.body, codec(self.settings.limits))
        self.settings.upstream(plan.to or self.destination)
        if plan.canary and plan.limit is not None and plan.canary >= plan.limit:
            raise UsageError("--canary must be less than --limit: nothing would be left to go on with")

    def begin(self, plan: Plan, *, by: str, trace_ids: Mapping[str, str], background: bool) -> Record:
        """Begin a replay, or go on with the same one when it was interrupted.

        Args:
            plan: what it is to do; it was checked.
            by: who asks.
            trace_ids: the map, when the plan has one.
            background: a worker runs it; else the caller does, with the token that the record then holds.

        Raises:
            ReplayRuns: another one of this selection is not over.
        """
        token = "" if background else new_token()
        record = Record(id=replays.new_id(), plan=plan.json, by=by, background=background, holder=token)
        if trace_ids:
            replays.store_trace_ids(self.client, self.keys, record.id, trace_ids)
        what, other = self._begin(record, plan, new=True)
        if what == "begun":
            return self.get(record.id, holder=token)
        replays.forget_trace_ids(self.client, self.keys, record.id)
        running = replays.get(self.client, self.keys, other)
        if running is None:  # its record has run out
            run(self.client, replays.take(self.keys, other, token, 1))
            return self.begin(plan, by=by, trace_ids=trace_ids, background=background)
        if not background and not running.background and read_plan(running.plan).same_but_for_times(plan):
            return self._taken(running, token)
        raise ReplayRuns(running, clock.now_ms())

    def resume(self, replay_id: str, *, background: bool) -> Record:
        """Go on with a replay that was cancelled, stopped or interrupted.

        Raises:
            ForwarderError: there is none of this id, or it is done.
            ReplayRuns: somebody runs it, or another one of its selection.
        """
        record, token = self.get(replay_id), "" if background else new_token()
        if record.active:
            return self._taken(record, token)
        if record.state == "done":
            raise ForwarderError(f"replay {replay_id} is done: there is nothing left to go on with")
        plan = read_plan(record.plan)
        what, other = self._begin(replace(record, holder=token), plan, new=False)
        if what != "begun":
            raise ReplayRuns(self.get(other), clock.now_ms())
        if plan.canary and not record.canaried and record.moved >= plan.canary:  # whoever goes on has seen its outcome
            run(self.client, replays.turn(self.keys, replay_id, token, "running", fields={"canaried": 1}))
        return self.get(replay_id, holder=token)

    def cancel(self, replay_id: str, by: str) -> Record:
        """End a replay after the page that is under way; what has moved stays moved.

        Raises:
            ForwarderError: there is none of this id.
        """
        self.get(replay_id)
        run(self.client, replays.turn(self.keys, replay_id, "", "cancelled", f"by {by}"))
        return self.get(replay_id)

    def get(self, replay_id: str, holder: str | None = None) -> Record:
        """A replay as it stands, with the outcomes of its events.

        Args:
            replay_id: which.
            holder: our token, when we run it.

        Raises:
            NotThere: nothing is known of it.
        """
        record = replays.get(self.client, self.keys, replay_id) if REPLAY_ID.fullmatch(replay_id) else None
        if record is None:
            raise NotThere(f"there is no replay {replay_id}: `forwarder replay status` lists those there are")
        record = self._with_outcomes(record)
        return record if holder is None else replace(record, holder=holder)

    def newest(self, limit: int = SHOWN) -> list[Record]:
        """The replays that began last, the newest first."""
        return [self._with_outcomes(record) for record in replays.newest(self.client, self.keys, limit)]

    def run(self, record: Record) -> Run:
        """Run a replay that is ours."""
        settings, target = self.settings, self._target(record)
        site = Site(
            client=self.client,
            keys=self.keys,
            target=target,
            codec=codec(settings.limits),
            lease_ms=round(settings.lease_ttl_s * 1000),
            backlog_max=settings.caps.share(target.destination),
            durability=settings.durability,
            wait_s=settings.redis_timeout_s,
        )
        return Run(site, record)

    def _begin(self, record: Record, plan: Plan, *, new: bool) -> tuple[str, str]:
        chosen, ttl_ms = plan.selection, round(self.settings.lease_ttl_s * 1000)
        step = replays.begin(
            self.keys,
            record,
            digest=chosen.digest,
            since_ms=chosen.since_ms,
            until_ms=chosen.until_ms,
            ttl_ms=ttl_ms,
            new=new,
        )
        return run(self.client, step)

    def _taken(self, record: Record, token: str) -> Record:
        """A replay that was interrupted: ours from now on."""
        if not token or record.background:
            raise ReplayRuns(record, clock.now_ms())
        taken = run(self.client, replays.take(self.keys, record.id, token, round(self.settings.lease_ttl_s * 1000)))
        if taken != "taken":
            raise ReplayRuns(record, clock.now_ms())
        return self.get(record.id, holder=token)

    def _target(self, record: Record) -> Keys:
        to = read_plan(record.plan).to
        return Keys(to, prefix=self.settings.key_prefix) if to else self.keys

    def _with_outcomes(self, record: Record) -> Record:
        target = self._target(record)
        if target == self.keys:
            return record
        delivered, died = replays.outcomes(self.client, target, record.id)
        return replace(record, delivered=delivered, died=died)
