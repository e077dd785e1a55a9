"""What the `dead-letters` commands show and export."""

import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from forwarder.cli.boundary import say
from forwarder.cli.context import Queue, open_queue
from forwarder.cli.output import clipped, json_array_out, json_out, line, table_out
from forwarder.errors import ForwarderError, UsageError
from forwarder.letter_stats import LetterStats
from forwarder.queue import dead_letters
from forwarder.queue.dead_letters import DeadLetter
from forwarder.replay import selected
from forwarder.selection import Selection, trace_id_of
from forwarder.times import shown_moment

_ID = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)
_ERRORS_SHOWN = 20


def show_list(selection: Selection, destination: str, *, limit: int | None, as_json: bool) -> None:
    """The first letters of a selection."""
    with open_queue() as queue:
        letters = _selected(queue, destination, selection)
        if as_json:
            json_array_out(letter.as_json() for letter in islice(letters, limit))
            return
        headers = ["id", "died", "reason", "status", "attempts", "source", "trace_id", "error"]
        table_out(headers, (_row(letter) for letter in islice(letters, limit)))
        if next(letters, None) is not None:
            say(f"only the first {limit:,} are shown; --limit 0 shows all")


def show_one(letter_id: str, destination: str, *, as_json: bool) -> None:
    """One letter and its event."""
    if not _ID.fullmatch(letter_id):
        raise UsageError(
            f"{letter_id!r} is not an id: it looks like 1767225600000-0, see `forwarder dead-letters list`"
        )
    with open_queue() as queue:
        letter = dead_letters.get(queue.client, queue.keys(destination), letter_id)
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
    stats = LetterStats()
    with open_queue() as queue:
        for letter in _selected(queue, destination, selection):
            stats.add(letter)
    if as_json:
        json_out(stats.as_json())
        return
    line(f"{stats.total:,} dead letters")
    for header, counter in (("reason", stats.reasons), ("status", stats.statuses), ("error", stats.errors)):
        if counter:
            line("")
            table_out(["count", header], [[count, name] for name, count in counter.most_common(_ERRORS_SHOWN)])


def export(selection: Selection, destination: str, file: str, *, force: bool) -> None:
    """JSON lines into a file, which appears when it is complete, or onto standard output."""
    written = 0
    with open_queue() as queue, _destination_file(file, force=force) as out:
        for letter in _selected(queue, destination, selection):
            out.write(json.dumps(exported(letter)) + "\n")
            written += 1
    say(f"exported {written:,} dead letters" + ("" if file == "-" else f" to {file}"))


def exported(letter: DeadLetter) -> dict[str, Any]:
    """A letter in full: a body that is not UTF-8 is added in base64, because nothing may be lost."""
    answer = letter.as_json()
    try:
        letter.body.decode()
    except UnicodeDecodeError:
        answer["body_base64"] = base64.b64encode(letter.body).decode()
    return answer


def _selected(queue: Queue, destination: str, selection: Selection) -> Iterator[DeadLetter]:
    keys = queue.keys(destination)
    return selected(queue.client, keys, selection, dead_letters.last_id(queue.client, keys))


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


@contextmanager
def _destination_file(file: str, *, force: bool) -> Iterator[TextIO]:
    if file == "-":
        yield sys.stdout
        return
    path = Path(file)
    if path.exists() and not force:
        raise UsageError(f"{file} is already there; choose another name, or --force to replace it")
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("x", encoding="utf-8") as out:
            yield out
        partial.replace(path)
    except OSError as error:
        raise ForwarderError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
