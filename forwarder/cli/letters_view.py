"""What the `dead-letters` commands show."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from forwarder.cli.boundary import say
from forwarder.cli.output import clipped, counted, json_array_out, json_out, line, table_out
from forwarder.cli.reach import Reach, chosen, reached
from forwarder.dead.filters import Filters
from forwarder.dead.selection import trace_id_of
from forwarder.operations.letter_forms import Alike, Chosen, Grouping, Letter, One, Paging
from forwarder.operations.letters import PAGE_MAX, laid_out
from forwarder.operations.table import GROUPS, LETTER, LETTERS, STATS
from forwarder.times import shown_moment

_ERRORS_SHOWN = 20


def show_list(filters: Filters, destination: str, *, limit: int | None, as_json: bool) -> None:
    """The first letters of a selection."""
    with reached() as reach:
        letters = _letters(reach, filters, destination, limit)
        if as_json:
            json_array_out(msgspec.to_builtins(letter) for letter in islice(letters, limit))
            return
        headers = ["id", "died", "reason", "status", "attempts", "source", "trace_id", "error"]
        table_out(headers, (_row(letter) for letter in islice(letters, limit)))
        if next(letters, None) is not None:
            say(f"only the first {limit:,} are shown; --limit 0 shows all")


def _letters(reach: Reach, filters: Filters, destination: str, limit: int | None) -> Iterator[Letter]:
    """Letters of a selection, oldest first, page by page; one more than the limit, to know that there are more."""
    start, size = None, PAGE_MAX if limit is None else min(PAGE_MAX, limit + 1)
    while True:
        asked = msgspec.convert(
            {**chosen(filters, destination), "limit": size, "start": start, "newest_first": False}, Paging
        )
        found = reach.do(LETTERS, asked)
        yield from found.letters
        if found.next is None:
            return
        start = found.next


def show_one(letter_id: str, destination: str, *, as_json: bool) -> None:
    """One letter and its event."""
    with reached() as reach:
        letter = reach.do(LETTER, One(id=letter_id, destination=destination))
    if as_json:
        json_out(msgspec.to_builtins(letter))
        return
    plain = {**msgspec.to_builtins(letter), "at": shown_moment(letter.at)}
    for name, value in plain.items():
        if name not in ("body", "body_base64"):
            line(f"{name:9} {'-' if value in (None, '') else value}")
    for text in laid_out(letter.body):
        line(text)


def show_stats(filters: Filters, destination: str, *, as_json: bool) -> None:
    """Counts of a selection."""
    with reached() as reach:
        stats = reach.do(STATS, msgspec.convert(chosen(filters, destination), Chosen))
    if as_json:
        json_out(msgspec.to_builtins(stats))
        return
    line(counted(stats.total, "dead letter"))
    errors = {one.error: one.count for one in stats.errors[:_ERRORS_SHOWN]}
    for header, counts in (("reason", stats.reasons), ("status", stats.statuses), ("error", errors)):
        if counts:
            line("")
            table_out(["count", header], [[count, name] for name, count in counts.items()])


def show_groups(filters: Filters, destination: str, *, limit: int | None, as_json: bool) -> None:
    """What letters of a selection died of, the commonest first."""
    with reached() as reach:
        found = reach.do(GROUPS, msgspec.convert({**chosen(filters, destination), "limit": limit or 0}, Grouping))
    if as_json:
        json_out(msgspec.to_builtins(found.groups))
        return
    headers = ["count", "status", "error", "first", "last", "sources", "example"]
    table_out(headers, [_group_row(group) for group in found.groups])
    if found.found > len(found.groups):
        say(f"only the {len(found.groups):,} largest of {found.found:,} groups are shown; --limit 0 shows all")


def _group_row(group: Alike) -> list[object]:
    sources = ", ".join(f"{name or 'unknown'} {count:,}" for name, count in list(group.sources.items())[:3])
    more = f", … ({len(group.sources)})" if len(group.sources) > 3 else ""  # noqa: PLR2004 - three fit
    return [
        *(group.count, group.status, clipped(group.message, 100), group.first, group.last),
        *(sources + more, group.example.id),
    ]


def _row(letter: Letter) -> list[object]:
    died_ms = int(letter.id.partition("-")[0])
    return [
        *(letter.id, shown_moment(died_ms), letter.reason, letter.status, letter.attempts, letter.source),
        *(clipped(trace_id_of(letter.body.encode("utf-8", "replace")) or ""), clipped(letter.error, 100)),
    ]
