"""The dry run: what a replay would do now, and about how long it would take; nothing moves."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from forwarder.feedback import Codec
from forwarder.flaws import Flaw
from forwarder.queue import dead_letters
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.entry_ids import place
from forwarder.queue.keys import Keys
from forwarder.replaying.judging import SPENT, Lookup, judged
from forwarder.replaying.pages import EXAMPLES_MAX
from forwarder.replaying.plan import Plan

FIRST: Final = 10
"""Letters that are shown."""
MOVE_S: Final = 1 / 150_000
"""Seconds that a letter takes from the dead stream to the queue, as `make bench` measures it, rounded up."""


@dataclass(slots=True)
class Rehearsal:
    """What would be done.

    Attributes:
        matched: letters of the selection.
        would_move: of them, those that would return.
        kept: no valid event, even as edited.
        spent: replayed too often already.
        reasons: of those that would return.
        first: the first ten of them, as they would return.
        examples: the first of the kept, as id and problem.
        scan_s: how long it took to look.
    """

    matched: int = 0
    would_move: int = 0
    kept: int = 0
    spent: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[DeadLetter] = field(default_factory=list)
    examples: list[tuple[str, str]] = field(default_factory=list)
    scan_s: float = 0.0

    def estimated_s(self, rate: float | None) -> float:
        """Seconds until all would be on the queue, at most so many per second; None for as fast as it goes."""
        own_s = self.scan_s + self.would_move * MOVE_S
        return max(own_s, self.would_move / rate if rate else 0.0)

    def as_json(self, rate: float | None) -> dict[str, Any]:
        """For programs."""
        return {
            "dry_run": True,
            "matched": self.matched,
            "would_move": self.would_move,
            "kept": self.kept,
            "spent": self.spent,
            "reasons": dict(self.reasons.most_common()),
            "estimated_s": round(self.estimated_s(rate), 1),
            "first": [letter.as_json() for letter in self.first],
            "kept_examples": [{"id": letter_id, "problem": problem} for letter_id, problem in self.examples],
        }

    def note(self, letter: DeadLetter, judgement: object) -> None:
        """Count one letter."""
        if judgement is None:
            return
        self.matched += 1
        if isinstance(judgement, DeadLetter):
            self.would_move += 1
            self.reasons[letter.reason] += 1
            if len(self.first) < FIRST:
                self.first.append(judgement)
        elif judgement == SPENT:
            self.spent += 1
        elif isinstance(judgement, Flaw):
            self.kept += 1
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.append((letter.id or "", str(judgement)))


def rehearse(client: Client, partitions: Sequence[Keys], plan: Plan, codec: Codec, lookup: Lookup) -> Rehearsal:
    """Look at every letter that replays of these partitions would, and count."""
    began, found = time.monotonic(), Rehearsal()
    pages = (page for keys in partitions for page in _pages(client, keys, plan))
    for letter, judgement in judged(pages, plan, codec, lookup):
        if plan.limit is not None and found.would_move >= plan.limit:
            break
        found.note(letter, judgement)
    found.scan_s = time.monotonic() - began
    return found


def _pages(client: Client, keys: Keys, plan: Plan) -> Iterator[list[DeadLetter]]:
    newest = dead_letters.last_id(client, keys)
    if newest is not None:
        until = min(plan.selection.until or newest, newest, key=place)
        yield from dead_letters.scan_pages(client, keys, after=plan.selection.after, until=until)
