"""The pages of a run, one after the other: letters are read, judged, and put together."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Final

from forwarder.queue import dead_letters, replays
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.entry_ids import before, place
from forwarder.queue.replay_pages import Page
from forwarder.queue.replays import Record
from forwarder.replaying.judging import Judged, judged
from forwarder.replaying.pages import Draft
from forwarder.replaying.plan import Plan
from forwarder.replaying.site import Site

PAGES_PER_LEASE: Final = 4
"""However rare the letters are that move, a page ends in time to keep the lease."""

Drafted = tuple[Page, bool]
"""A page, and whether the stream ends with it."""


class Drafts:
    """Makes the pages of one run.

    Args:
        site: where.
        plan: what is to be done.
        record: how far it has come.

    Attributes:
        witness: the last that was heard; whoever hears a newer one says so here.
    """

    def __init__(self, site: Site, plan: Plan, record: Record) -> None:
        self.witness = ""
        self._witness_of_page: str | None = None  # of the page that is being used; None before the first
        self._site = site
        self._plan = plan
        self._id = record.id
        self._letters = self._judged(record)
        self._examples: list[tuple[str, str]] = [(one, why) for one, why in json.loads(record.examples)]
        self._longest_s = site.lease_ms / 1000 / PAGES_PER_LEASE

    def begin_at(self, record: Record) -> None:
        """Begin anew behind the record's cursor."""
        self._letters, self._witness_of_page = self._judged(record), None

    def next(self, cursor: str, size: int) -> Drafted:
        """The next page.

        Args:
            cursor: where the page before it ends.
            size: letters that are to move.
        """
        known = self.witness if self._witness_of_page is None else self._witness_of_page
        draft = Draft(cursor, known, self._examples)
        draft.fill(self._letters, size, self._longest_s)
        return draft.page, draft.last

    def again(self, record: Record) -> Drafted:
        """The page whose handing over was broken off: the same letters, as far as they are still there."""
        ids = set(record.sending.split(","))
        first, last = min(ids, key=place), max(ids, key=place)
        letters = [letter for letter in self._between(first, last) if letter.id in ids]
        draft = Draft(record.cursor, "", self._examples)
        draft.fill(judged([letters], self._plan, self._site.codec, self._looked_up), len(ids), self._site.lease_ms)
        return dataclasses.replace(draft.page, cursor=last), False

    def _judged(self, record: Record) -> Iterator[Judged]:
        site, selection = self._site, self._plan.selection
        after = max(selection.after, record.cursor, key=place)
        until = min(selection.until or record.bound, record.bound, key=place)
        pages = dead_letters.scan_pages(site.client, site.keys, after=after, until=until)
        return judged(self._witnessed(pages), self._plan, site.codec, self._looked_up)

    def _witnessed(self, pages: Iterator[list[DeadLetter]]) -> Iterator[list[DeadLetter]]:
        """Pages; each is asked for when the one before it comes, so what was known then is of before it was read."""
        known = self.witness
        for page in pages:
            self._witness_of_page, known = known, self.witness
            yield page

    def _looked_up(self, wanted: Sequence[str]) -> Sequence[str | None]:
        return replays.trace_ids(self._site.client, self._site.keys, self._id, wanted)

    def _between(self, first: str, last: str) -> Iterator[DeadLetter]:
        return dead_letters.scan(self._site.client, self._site.keys, after=before(first), until=last)
