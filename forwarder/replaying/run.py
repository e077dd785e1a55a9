"""Run a replay whose lease we hold, turn by turn; whoever drives it waits in between, or lets another go on."""

import time
from typing import Final

from msgspec.structs import replace

from forwarder.queue import replay_pages, replays
from forwarder.queue.codec import PLAIN, codec_of
from forwarder.queue.dead_letters import PAGE
from forwarder.queue.durable import run_durably
from forwarder.queue.replay_pages import Page, Turned
from forwarder.queue.replays import Record
from forwarder.queue.scripts import run
from forwarder.queue.under_way import sent
from forwarder.replaying.drafts import Drafted, Drafts
from forwarder.replaying.pace import Pace
from forwarder.replaying.plan import read_plan
from forwarder.replaying.site import Site

CANARY_LOOK_S: Final = 0.2
FULL_WAIT_S: Final = 1.0
"""The queue's backlog is at its cap; drains must first make room."""
KEEPS_PER_LEASE: Final = 4


class Run:
    """One run of a replay.

    Args:
        site: where.
        record: with our token as its holder.

    Attributes:
        record: as it stands; not `active` any more when there is nothing left to do for us.
        full: whether the queue's backlog is at its cap.
    """

    def __init__(self, site: Site, record: Record) -> None:
        self.record = record
        self.full = False
        self._site = site
        self._plan = read_plan(record.plan)
        self._drafts = Drafts(site, self._plan, record)
        self._held: Drafted | None = None
        self._ahead: Drafted | None = None
        self._pace = Pace(self._plan.rate, record.moved)
        self._kept_at = time.monotonic()

    def turn(self) -> float:
        """Do the next thing: move a page, look after the canary, or keep the lease.

        Returns:
            Seconds to wait before the next turn.
        """
        if self.record.state == "canary":
            return self._await_canary()
        if (wait_s := self._pace.ahead_s(self.record.moved)) > 0:
            self.keep()
            return wait_s
        if self.record.sending and self._held is None:
            self._held = self._drafts.again(self.record)
        if not self._drafts.witness and not self._site.elsewhere:
            self._touch()  # then also the first page may move as a whole
        if self._held is None:
            self._held, self._ahead = self._ahead or self._drafts.next(self.record.cursor, self._size), None
        page, last = self._held
        moved = self._moved(page)
        if not self.full:
            self._held = None
        if not moved:
            return FULL_WAIT_S if self.full else 0.0
        self._move_on(last=last)
        return 0.0

    def keep(self) -> None:
        """Prolong the lease when it is time, and learn whether somebody has cancelled."""
        if time.monotonic() - self._kept_at > self._site.lease_ms / 1000 / KEEPS_PER_LEASE:
            self._touch()

    def look(self) -> None:
        """Learn what became of the events so far."""
        if self._site.elsewhere:
            delivered, died = replays.outcomes(self._site.client, self._site.target, self.record.id)
            self.record = replace(self.record, delivered=delivered, died=died)
        elif self.record.active:
            self._touch()
        else:
            self.record = replays.get(self._site.client, self._site.keys, self.record.id) or self.record

    def give_back(self, wait_s: float) -> None:
        """Let a worker go on after so long; nothing is lost when this is never called, but a lease's life."""
        state, ms = self.record.state, round(wait_s * 1000)
        run(
            self._site.client,
            replays.turn(self._site.keys, self.record.id, self.record.holder, state, self.record.note, give_back_ms=ms),
        )

    @property
    def _size(self) -> int:
        """Letters of the next page."""
        left = [PAGE, self._pace.page]
        if self._plan.limit is not None:
            left.append(self._plan.limit - self.record.moved)
        if self._plan.canary and not self.record.canaried:
            left.append(self._plan.canary - self.record.moved)
        return max(1, min(left))

    def _moved(self, page: Page) -> bool:
        """Move a page; False when it did not, because the backlog is full or the replay is not ours any more."""
        site = self._site
        if site.elsewhere and (page.events or self.record.sending) and not self._handed_over(page):
            return False
        cap = None if site.elsewhere else site.backlog_max
        codec = codec_of(site.client)
        step = replay_pages.move(site.keys, self.record, page, ttl_ms=site.lease_ms, backlog_max=cap, codec=codec)
        with sent(site.client, step) as moving:
            self._draft_ahead(page)
            moved = self._learn(moving.answer())
        self.record = replace(self.record, sending="", examples=page.examples or self.record.examples)
        return moved

    def _draft_ahead(self, page: Page) -> None:
        """Make the next page while Redis moves this one, when nothing that it may answer can change that page."""
        plan, last = self._plan, self._held and self._held[1]
        counted = plan.limit is not None or plan.rate is not None or (plan.canary and not self.record.canaried)
        if not (last or counted or self._ahead or self._site.elsewhere):
            self._ahead = self._drafts.next(page.cursor, self._size)

    def _handed_over(self, page: Page) -> bool:
        site, record = self._site, self.record
        before = set(record.sending.split(",")) - {""}
        if not before:
            noted = replays.turn(site.keys, record.id, record.holder, record.state, fields={"sending": page.ids})
            if not run(site.client, noted):
                self._touch()
                return False
        doubtful = len(before) if before and before != set(page.ids.split(",")) else 0
        step = replay_pages.hand_over(site.target, record, page, backlog_max=site.backlog_max, doubtful=doubtful)
        self.full = not run_durably(site.client, step, site.durability, site.wait_s)
        if self.full:
            self.record = replace(record, sending=record.sending or page.ids)
            self.keep()
        return not self.full

    def _move_on(self, *, last: bool) -> None:
        """After a page: the canary is complete, all is done, or there is more."""
        plan, moved = self._plan, self.record.moved
        if last or (plan.limit is not None and moved >= plan.limit):
            self._turn_into("done")
        elif plan.canary and not self.record.canaried and moved >= plan.canary:
            self._turn_into("canary", f"the outcome of {moved:,} events is awaited")

    def _await_canary(self) -> float:
        self.look()
        record = self.record
        if record.state == "canary" and record.died:
            self._turn_into("stopped", f"{record.died:,} of the canary's {record.moved:,} died again; the rest is left")
        elif record.state == "canary" and record.delivered >= record.moved:
            self._turn_into("running", canaried=1)
            self.record = replace(self.record, canaried=True)
            self._pace = Pace(self._plan.rate, record.moved)
            return 0.0
        return CANARY_LOOK_S if self.record.active else 0.0

    def _touch(self) -> None:
        here = Page(self.record.cursor, self.record.cursor)
        site = self._site
        step = replay_pages.move(
            site.keys, self.record, here, ttl_ms=site.lease_ms, backlog_max=site.backlog_max, codec=PLAIN
        )
        full = self.full
        self._learn(run(self._site.client, step))
        self.full = full

    def _learn(self, turned: Turned) -> bool:
        self._kept_at = time.monotonic()
        self._drafts.witness = turned.witness
        self.full = turned.what == "full"
        state = self.record.state if turned.what in ("moved", "full", "stale") else turned.what
        if self._site.elsewhere:
            turned.progress.update(delivered=self.record.delivered, died=self.record.died)
        self.record = replace(self.record, state=state, **turned.progress)
        if turned.what == "stale":
            self._ahead = None
            self._drafts.begin_at(self.record)
        return turned.what == "moved"

    def _turn_into(self, state: str, note: str = "", **fields: int) -> None:
        record = self.record
        step = replays.turn(self._site.keys, record.id, record.holder, state, note, fields=fields)
        if run(self._site.client, step):
            self.record = replace(record, state=state, note=note)
        else:
            self._touch()
