"""What the `dead-letters` commands show."""

import json
from itertools import islice

from forwarder.cli.boundary import say
from forwarder.cli.context import open_queue
from forwarder.cli.output import clipped, json_array_out, json_out, line, table_out
from forwarder.dead.filters import known_id
from forwarder.dead.groups import Group, grouped
from forwarder.dead.lines import exported
from forwarder.dead.reading import selected_of_all
from forwarder.dead.selection import Selection, trace_id_of
from forwarder.errors import ForwarderError
from forwarder.queue import dead_letters
from forwarder.queue.dead_letters import DeadLetter
from forwarder.times import shown_moment

_ERRORS_SHOWN = 20


def show_list(selection: Selection, destination: str, *, limit: int | None, as_json: bool) -> None:
    """The first letters of a selection."""
    with open_queue() as queue:
        letters = selected_of_all(queue.client, queue.partitions(destination), selection)
        if as_json:
            json_array_out(letter.as_json() for letter in islice(letters, limit))
            return
        headers = ["id", "died", "reason", "status", "attempts", "source", "trace_id", "error"]
        table_out(headers, (_row(letter) for letter in islice(letters, limit)))
        if next(letters, None) is not None:
            say(f"only the first {limit:,} are shown; --limit 0 shows all")


def show_one(letter_id: str, destination: str, *, as_json: bool) -> None:
    """One letter and its event."""
    known_id(letter_id)
    with open_queue() as queue:
        each = (dead_letters.get(queue.client, keys, letter_id) for keys in queue.partitions(destination))
        letter = next((one for one in each if one is not None), None)
    if letter is None:
        raise ForwarderError(f"there is no dead letter {letter_id}: it was replayed or purged, or never was")
    if as_json:
        json_out(exported(letter))
        return
    for name, value in {**letter.as_json(), "at": shown_moment(letter.at_ms)}.items():
        if name != "body":
            line(f"{name:9} {'-' if value in (None, '') else value}")
    for text in _laid_out(letter.body):
        line(text)


def show_stats(selection: Selection, destination: str, *, as_json: bool) -> None:
    """Counts of a selection."""
    with open_queue() as queue:
        stats = grouped(selected_of_all(queue.client, queue.partitions(destination), selection)).stats()
    if as_json:
        json_out(stats)
        return
    line(f"{stats['total']:,} dead letters")
    errors = {one["error"]: one["count"] for one in stats["errors"][:_ERRORS_SHOWN]}
    for header, counts in (("reason", stats["reasons"]), ("status", stats["statuses"]), ("error", errors)):
        if counts:
            line("")
            table_out(["count", header], [[count, name] for name, count in counts.items()])


def show_groups(selection: Selection, destination: str, *, limit: int | None, as_json: bool) -> None:
    """What letters of a selection died of, the commonest first."""
    with open_queue() as queue:
        found = grouped(selected_of_all(queue.client, queue.partitions(destination), selection))
    groups = found.commonest[:limit]
    if as_json:
        json_out([group.as_json() for group in groups])
        return
    headers = ["count", "status", "error", "first", "last", "sources", "example"]
    table_out(headers, [_group_row(group) for group in groups])
    if len(found.commonest) > len(groups):
        say(f"only the {len(groups):,} largest of {len(found.commonest):,} groups are shown; --limit 0 shows all")


def _group_row(group: Group) -> list[object]:
    sources = ", ".join(f"{name or 'unknown'} {count:,}" for name, count in group.sources.most_common(3))
    more = f", … ({len(group.sources)})" if len(group.sources) > 3 else ""  # noqa: PLR2004 - three fit
    moments = shown_moment(group.first_ms), shown_moment(group.last_ms)
    return [group.count, group.status, clipped(group.message, 100), *moments, sources + more, group.example]


def _row(letter: DeadLetter) -> list[object]:
    return [
        *(letter.id, shown_moment(letter.died_ms), letter.reason, letter.status, letter.attempts),
        *(
            letter.source.decode("utf-8", "replace"),
            clipped(trace_id_of(letter.body) or ""),
            clipped(letter.error, 100),
        ),
    ]


def _laid_out(body: bytes) -> list[str]:
    """An event over several lines; what is none, as it stands."""
    text = body.decode("utf-8", "backslashreplace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        return [text]
