"""Moving dead letters back onto the queue, mended on the way, and deleting them: page by page, each page atomic.

A run is bounded by the newest letter at its start, so what dies again meanwhile is not met again. Whatever interrupts
it, between two pages or in one, every letter is either dead or on the queue; running it again goes on.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from forwarder.errors import InvalidFeedback, UsageError
from forwarder.feedback import Codec
from forwarder.flaws import Flaw
from forwarder.parts import UNDECODABLE
from forwarder.queue import dead_letters
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import PAGE, DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.selection import Selection

EVENT_FIELDS: Final = ("trace_id", "value", "weight", "text", "metadata")
EXAMPLES_MAX: Final = 10
_PAGE_MAX_BYTES: Final = 8_388_608
"""Bodies may be megabytes; a page of 500 such would stop Redis for everybody else."""

Guard = Callable[[], AbstractContextManager[object]]
"""Wraps each page's step and its counting; the commands hold back Ctrl-C in it, so that counts are exact."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay is to do.

    Attributes:
        selection: which letters.
        edits: the new JSON of fields, by name; `null` leaves the field out.
        limit: most letters to move; None for all.
        rate: most letters moved per second; None for as fast as it goes.
        dry_run: look and count, move nothing.
    """

    selection: Selection
    edits: Mapping[str, bytes] = field(default_factory=dict)
    limit: int | None = None
    rate: float | None = None
    dry_run: bool = False


@dataclass(slots=True)
class Tally:
    """How far a run has come.

    Attributes:
        matched: letters of the selection seen so far.
        moved: back on the queue, or deleted; in a dry run, what would be.
        kept: letters that are no valid event, even as edited; they stay dead.
        gone: letters that somebody else replayed or purged meanwhile.
        examples: the first of the kept, as (id, problem).
    """

    matched: int = 0
    moved: int = 0
    kept: int = 0
    gone: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)


def parse_edits(assignments: Sequence[str]) -> dict[str, bytes]:
    """`field=value` texts as new JSON by field; trace_id and text take the value as it stands.

    Raises:
        UsageError: not of that form, a field that events do not have, or a value that is not JSON.
    """
    edits = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or name not in EVENT_FIELDS:
            raise UsageError(f"--set {assignment!r}: write field=value with one of {', '.join(EVENT_FIELDS)}")
        if name in ("trace_id", "text") and value != "null":
            edits[name] = msgspec.json.encode(value)
            continue
        try:
            msgspec.json.decode(value)
        except UNDECODABLE:
            raise UsageError(f"--set {assignment!r}: {value!r} is not JSON (a number, null or an object)") from None
        edits[name] = value.encode()
    return edits


def edited(body: bytes, edits: Mapping[str, bytes], codec: Codec) -> bytes | Flaw:
    """A letter's body with the edits in it, canonical; or why it is still no event."""
    if edits:
        try:
            event = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except UNDECODABLE:
            return Flaw(None, None, "is not an object, so no field of it can be set", body)
        body = msgspec.json.encode({**event, **{name: msgspec.Raw(value) for name, value in edits.items()}})
    try:
        members = codec.parse(body)
    except InvalidFeedback as error:
        return error.flaws[0]
    if members.count != 1:  # a letter is counted as one event, and must return as one
        return Flaw(None, None, f"holds {members.count} events; a dead letter is one", body)
    return members.joined


def selected(client: Client, keys: Keys, selection: Selection, newest: str | None) -> Iterator[DeadLetter]:
    """The letters of a selection, oldest first, none newer than the id `newest`; None stands for an empty stream."""
    if newest is None:
        return
    last_ms = int(newest.partition("-")[0])
    until = selection.until if selection.until_ms is not None and selection.until_ms < last_ms else newest
    for letter in dead_letters.scan(client, keys, after=selection.after, until=until):
        if selection.matches(letter):
            yield letter


def replay(
    client: Client, keys: Keys, plan: Plan, codec: Codec, *, tally: Tally, guard: Guard = nullcontext
) -> Iterator[Tally]:
    """Move the letters of a plan back onto the queue; yields the same tally, further on, after each page."""
    pace = _Pace(plan.rate)

    def move(page: list[DeadLetter]) -> None:
        with guard():
            moved = len(page) if plan.dry_run else run(client, dead_letters.replay(keys, page))
            tally.moved += moved
            tally.gone += len(page) - moved

    letters = selected(client, keys, plan.selection, dead_letters.last_id(client, keys))
    for page in _pages(_mended(letters, plan, codec, tally), pace.page if not plan.dry_run else PAGE):
        move(page)
        yield tally
        if not plan.dry_run:
            pace.wait(tally.moved)
    yield tally


def purge(
    client: Client, keys: Keys, selection: Selection, *, tally: Tally, guard: Guard = nullcontext
) -> Iterator[Tally]:
    """Delete the letters of a selection for good; yields the same tally, further on, after each page."""
    for page in _pages(selected(client, keys, selection, dead_letters.last_id(client, keys)), PAGE):
        with guard():
            purged = run(client, dead_letters.purge(keys, [letter.id for letter in page if letter.id]))
            tally.matched += len(page)
            tally.moved += purged
            tally.gone += len(page) - purged
        yield tally


def _mended(letters: Iterator[DeadLetter], plan: Plan, codec: Codec, tally: Tally) -> Iterator[DeadLetter]:
    """The letters that may move, with their new bodies; the others are counted as kept."""
    valid = 0
    for letter in letters:
        if plan.limit is not None and valid >= plan.limit:
            return
        tally.matched += 1
        body = edited(letter.body, plan.edits, codec)
        if isinstance(body, Flaw):
            tally.kept += 1
            if len(tally.examples) < EXAMPLES_MAX:
                tally.examples.append((letter.id or "", str(body)))
            continue
        valid += 1
        yield replace(letter, body=body)


def _pages(letters: Iterator[DeadLetter], size: int) -> Iterator[list[DeadLetter]]:
    page: list[DeadLetter] = []
    page_bytes = 0
    for letter in letters:
        page.append(letter)
        page_bytes += len(letter.body)
        if len(page) >= size or page_bytes >= _PAGE_MAX_BYTES:
            yield page
            page, page_bytes = [], 0
    if page:
        yield page


class _Pace:
    """Keeps a run below a rate: smaller pages, and a wait after each."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._begun_s = time.monotonic()
        self.page = PAGE if rate is None else max(1, min(PAGE, int(rate)))

    def wait(self, moved: int) -> None:
        """Wait until so many may have been moved."""
        if self._rate is not None:
            ahead_s = moved / self._rate - (time.monotonic() - self._begun_s)
            if ahead_s > 0:
                time.sleep(ahead_s)
