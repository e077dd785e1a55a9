"""Dead letters: page through them, look at one, group, count, export, import and purge them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from forwarder.clock import now_ms
from forwarder.dead.filters import known_id
from forwarder.dead.groups import Group, grouped
from forwarder.dead.importing import Imported, import_letters
from forwarder.dead.lines import exported, written
from forwarder.dead.purging import Guard, Purged
from forwarder.dead.purging import purge as purging
from forwarder.dead.reading import Bound, page, selected_of_all
from forwarder.dead.selection import Selection
from forwarder.errors import ForwarderError, NotThere, UsageError
from forwarder.key_settings import masked
from forwarder.operations.letter_forms import (
    Alike,
    Chosen,
    ErrorCount,
    Example,
    Grouping,
    Groups,
    ImportDone,
    Letter,
    Letters,
    One,
    Paging,
    PurgeDone,
    Stats,
    ToImport,
    ToPurge,
)
from forwarder.operations.operator import Operator
from forwarder.queue import dead_letters
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys

PAGE_MAX = 1_000
"""Letters of a page."""


def letters(operator: Operator, asked: Paging) -> Letters:
    """One page of a selection.

    Raises:
        UsageError: a filter, the place or the length of the page cannot be.
    """
    if not 1 <= asked.limit <= PAGE_MAX:
        raise UsageError(f"limit {asked.limit}: a page has from 1 to {PAGE_MAX:,} letters")
    start = None if asked.start is None else known_id(asked.start)
    partitions, chosen = operator.partitions(asked.destination), asked.selection(now_ms())
    found = page(operator.client, partitions, chosen, limit=asked.limit, start=start, newest_first=asked.newest_first)
    return Letters(as_letters(operator, found.letters), found.next)


def letter(operator: Operator, asked: One) -> Letter:
    """One letter in full.

    Raises:
        NotThere: there is none of this id.
    """
    _, found = located(operator, asked)
    (plain,) = as_letters(operator, [found])
    return plain


def located(operator: Operator, asked: One) -> tuple[Keys, DeadLetter]:
    """The partition that has a letter, and the letter; raises as `letter`."""
    letter_id = known_id(asked.id)
    for keys in operator.partitions(asked.destination):
        if found := dead_letters.get(operator.client, keys, letter_id):
            return keys, found
    raise NotThere(f"there is no dead letter {asked.id}: it was replayed or purged, or never was")


def as_letters(operator: Operator, found: Iterable[DeadLetter]) -> list[Letter]:
    """Letters for programs, without secrets."""
    secrets = operator.settings.secrets
    return [Letter(**exported(one, secrets)) for one in found]


def groups(operator: Operator, asked: Grouping) -> Groups:
    """What letters of a selection died of, the commonest first.

    Raises:
        UsageError: a filter or a bound cannot be.
    """
    if asked.limit < 0 or asked.looked_at_max < 0:
        raise UsageError("limit and looked_at_max must not be below 0, which stands for all")
    bound = Bound(asked.looked_at_max)
    found = grouped(_selected(operator, asked, bound))
    several, secrets = found.commonest, operator.settings.secrets
    shown = several[: asked.limit] if asked.limit else several
    return Groups([_alike(group, secrets) for group in shown], len(several), found.total, bound.reached)


def stats(operator: Operator, asked: Chosen) -> Stats:
    """Counts of a selection."""
    counts, secrets = grouped(_selected(operator, asked)).stats(), operator.settings.secrets
    errors = [ErrorCount(masked(one["error"], secrets), one["count"]) for one in counts.pop("errors")]
    return Stats(errors=errors, **counts)


def count(operator: Operator, asked: Chosen) -> int:
    """How many letters a selection has now."""
    return sum(1 for _ in _selected(operator, asked))


def export(operator: Operator, asked: Chosen) -> Iterator[bytes]:
    """JSON lines of a selection, without secrets; one at a time, so that any number can be sent on."""
    secrets, found = operator.settings.secrets, _selected(operator, asked)
    return (written(one, secrets) for one in found)


def purge(operator: Operator, asked: ToPurge) -> PurgeDone:
    """Delete letters for good."""
    done = Purged()
    for _ in purge_pages(operator, asked, done):
        pass
    return PurgeDone(done.matched, done.purged, done.gone)


def purge_pages(operator: Operator, asked: ToPurge, done: Purged, guard: Guard = nullcontext) -> Iterator[Purged]:
    """The same page by page; yields the count after each.

    Args:
        operator: who purges.
        asked: what.
        done: the count, the caller's own.
        guard: around each step.

    Raises:
        UsageError: neither a filter nor `all`, or both.
    """
    chosen, partitions = purgeable(asked), operator.partitions(asked.destination)
    with operator.noting("dead-letters purge", asked.destination, selection=chosen.describe()) as noted:
        noted.result = "nothing there"
        for keys in partitions:
            for so_far in purging(operator.client, keys, chosen, done=done, guard=guard):
                noted.result = f"{so_far.purged:,} purged"
                yield so_far


def purgeable(asked: ToPurge) -> Selection:
    """What is to be deleted, when it is said clearly enough.

    Raises:
        UsageError: it is not.
    """
    chosen = asked.selection(now_ms())
    if chosen.is_everything and not asked.all:
        raise UsageError("give a filter, or say that all are meant (--all)")
    if asked.all and not chosen.is_everything:
        raise UsageError("a filter and all of them (--all) do not go together")
    return chosen


def import_(operator: Operator, asked: ToImport) -> ImportDone:
    """Bring the letters of some lines back, each once."""
    numbered = [(number, line.encode("utf-8", "replace")) for number, line in enumerate(asked.lines, asked.first_line)]
    done, flaw = Imported(), None
    try:
        for _ in import_pages(operator, asked, (pair for pair in numbered if pair[1].strip()), done):
            pass
    except ForwarderError as error:
        flaw = str(error)
    return ImportDone(done.buried, done.present, flaw)


def import_pages(
    operator: Operator, asked: ToImport, lines: Iterator[tuple[int, bytes]], done: Imported
) -> Iterator[Imported]:
    """The same for any number of lines; yields the count after each page, and says of a bad line where it is.

    Raises:
        ForwarderError: a line is no exported letter.
    """
    keys = operator.keys(asked.destination)
    with operator.noting("dead-letters import", asked.destination, detail=asked.name) as noted:
        for so_far in import_letters(operator.client, keys, asked.name, lines, done=done, again=asked.again):
            noted.result = f"{so_far.buried:,} imported, {so_far.present:,} were there"
            yield so_far


def _selected(operator: Operator, asked: Chosen, bound: Bound | None = None) -> Iterator[DeadLetter]:
    return selected_of_all(operator.client, operator.partitions(asked.destination), asked.selection(now_ms()), bound)


def _alike(group: Group, secrets: Sequence[str]) -> Alike:
    plain: dict[str, Any] = group.as_json()
    example = Example(plain["example"]["id"], masked(plain["example"]["error"], secrets))
    return Alike(**{**plain, "example": example, "message": masked(plain["message"], secrets)})


def laid_out(body: str) -> Sequence[str]:
    """An event over several lines; what is none, as it stands."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        return [body]
