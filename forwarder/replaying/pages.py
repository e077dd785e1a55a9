"""The next page of a replay, of letters that were judged (pure)."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from forwarder.flaws import Flaw
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.replay_pages import Group, Page
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS
from forwarder.replaying.judging import SPENT, Judged

EXAMPLES_MAX: Final = 10
PAGE_MAX_BYTES: Final = 4_194_304
LOOKED_AT_MAX: Final = 20_000
"""A page ends after so many letters also when none of them moves, so that the cursor moves and the lease is kept."""


@dataclass(slots=True)
class Draft:
    """A page in the making.

    Attributes:
        before: the cursor.
        witness: as of before the letters were read; see `replay_pages`.
        examples: the first of the kept, as id and problem, with those of the pages before.
        last: whether the stream ended with it.
    """

    before: str
    witness: str
    examples: list[tuple[str, str]]
    last: bool = False
    _cursor: str = ""
    _letters: list[DeadLetter] = field(default_factory=list)
    _bytes: int = 0
    _seen: int = 0
    _matched: int = 0
    _kept: int = 0
    _spent: int = 0
    _new_examples: bool = False

    def fill(self, letters: Iterator[Judged], size: int, longest_s: float) -> None:
        """Take letters until `size` of them move, or the page is large, or it has taken so long."""
        deadline = time.monotonic() + longest_s
        for letter, judgement in letters:
            self._cursor = letter.id or self._cursor
            self._seen += 1
            if judgement is not None:
                self._note(letter, judgement)
            if len(self._letters) >= size or self._bytes >= PAGE_MAX_BYTES or self._seen >= LOOKED_AT_MAX:
                return
            if self._seen % CHUNK_MAX_EVENTS == 0 and time.monotonic() > deadline:
                return
        self.last = True

    @property
    def page(self) -> Page:
        """As it is moved."""
        return Page(
            self.before,
            self._cursor or self.before,
            in_groups(self._letters),
            seen=self._seen,
            matched=self._matched,
            kept=self._kept,
            spent=self._spent,
            examples=json.dumps(self.examples) if self._new_examples else "",
            witness=self.witness,
        )

    def _note(self, letter: DeadLetter, judgement: DeadLetter | Flaw | str) -> None:
        self._matched += 1
        if isinstance(judgement, DeadLetter):
            self._letters.append(judgement)
            self._bytes += len(judgement.body)
        elif judgement == SPENT:
            self._spent += 1
        else:
            self._kept += 1
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.append((letter.id or "", str(judgement)))
                self._new_examples = True


def in_groups(letters: Sequence[DeadLetter]) -> list[Group]:
    """Letters that can return in one entry, because they came from one service and were replayed as often."""
    open_groups: dict[tuple[bytes, int], tuple[list[DeadLetter], int]] = {}
    groups: list[Group] = []
    for letter in letters:
        key = letter.source, letter.replays
        members, size = open_groups.get(key, (None, 0))
        if members is None or len(members) >= CHUNK_MAX_EVENTS or size + len(letter.body) > CHUNK_MAX_BYTES:
            members, size = [], 0
            groups.append(Group(letter.source, letter.replays + 1, members))
        members.append(letter)
        open_groups[key] = members, size + len(letter.body) + 1
    return groups
