"""Read the letters of a selection: as a stream, or page by page; a million of them never sit in memory."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from forwarder.dead.selection import Selection
from forwarder.queue import dead_letters
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import PAGE, PAGE_BYTES, DeadLetter
from forwarder.queue.entry_ids import before, place
from forwarder.queue.keys import Keys

LOOKED_AT_MAX: Final = 200_000
"""Letters that one page may cost: a selection that matches none must not keep a web request for long."""


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some letters of a selection.

    Attributes:
        letters: in the order asked for.
        next: where the next page begins: the `start` to ask with; None when this was the last one.
    """

    letters: list[DeadLetter]
    next: str | None


@dataclass(slots=True)
class Bound:
    """How far a look may go.

    Attributes:
        most: letters that it may cost; 0 for all.
        reached: whether there were more.
    """

    most: int = 0
    reached: bool = False


def selected(
    client: Client, keys: Keys, selection: Selection, newest: str | None, bound: Bound | None = None
) -> Iterator[DeadLetter]:
    """The letters of a selection, oldest first.

    Args:
        client: of the queue.
        keys: the partition.
        selection: which letters.
        newest: none newer than this id; None stands for an empty stream.
        bound: of the look, and told when it was reached.
    """
    if newest is None:
        return
    bound = bound or Bound()
    until = min(selection.until or newest, newest, key=place)
    for looked_at, letter in enumerate(dead_letters.scan(client, keys, after=selection.after, until=until)):
        if bound.most and looked_at == bound.most:
            bound.reached = True
            return
        if selection.matches(letter):
            yield letter


def selected_now(client: Client, keys: Keys, selection: Selection, bound: Bound | None = None) -> Iterator[DeadLetter]:
    """The letters of a selection that are dead at this moment, oldest first; `bound` as of `selected`."""
    return selected(client, keys, selection, dead_letters.last_id(client, keys), bound)


def selected_of_all(
    client: Client, partitions: Sequence[Keys], selection: Selection, bound: Bound | None = None
) -> Iterator[DeadLetter]:
    """The same of several partitions; the bound is of each."""
    return _merged([selected_now(client, keys, selection, bound) for keys in partitions])


def _merged(apart: Sequence[Iterator[DeadLetter]], *, newest_first: bool = False) -> Iterator[DeadLetter]:
    if len(apart) == 1:
        return apart[0]
    return heapq.merge(*apart, key=lambda letter: place(letter.id or "0-0"), reverse=newest_first)


def in_pages(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """Letters by the page, none of them empty, each small enough for one step."""
    page: list[DeadLetter] = []
    page_bytes = 0
    for letter in letters:
        page.append(letter)
        page_bytes += len(letter.body)
        if len(page) >= PAGE or page_bytes >= PAGE_BYTES:
            yield page
            page, page_bytes = [], 0
    if page:
        yield page


def page(
    client: Client,
    partitions: Sequence[Keys],
    selection: Selection,
    *,
    limit: int,
    start: str | None = None,
    newest_first: bool = True,
) -> LetterPage:
    """One page of a selection.

    Args:
        client: of the queue.
        partitions: of the destination.
        selection: which letters.
        limit: most letters of the page.
        start: where it begins: the former page's `next`; None for the first page.
        newest_first: the order.

    Returns:
        At most `limit` letters, and those of other partitions that died with the last of them; fewer, with a `next`,
        when so many others had to be looked at.
    """
    apart = [_scan(client, keys, selection, start, newest_first=newest_first) for keys in partitions]
    letters = _merged(apart, newest_first=newest_first)
    found: list[DeadLetter] = []
    for looked_at, letter in enumerate(letters, 1):
        if selection.matches(letter):
            if len(found) >= limit and letter.id != found[-1].id:
                return LetterPage(found, _resume(found[-1], newest_first=newest_first))
            found.append(letter)
        if looked_at == LOOKED_AT_MAX:
            return LetterPage(found, _resume(letter, newest_first=newest_first))
    return LetterPage(found, None)


def _scan(
    client: Client, keys: Keys, selection: Selection, start: str | None, *, newest_first: bool
) -> Iterator[DeadLetter]:
    if newest_first:
        return dead_letters.scan_back(client, keys, until=start or selection.until, after=selection.after)
    return dead_letters.scan(client, keys, after=start or selection.after, until=selection.until or "+")


def _resume(last: DeadLetter, *, newest_first: bool) -> str:
    """Behind a letter; backwards a scan includes its beginning, so one less."""
    letter_id = last.id or "0-0"
    return before(letter_id) if newest_first else letter_id
