"""What `audit` shows."""

from collections.abc import Iterator
from typing import Any

import typer

from forwarder.cli.boundary import FAILED
from forwarder.cli.context import Queue, open_queue
from forwarder.cli.output import json_out, line
from forwarder.queue.audit import SCANS_MAX, DeepAudit, deep_audit
from forwarder.queue.ledger import Snapshot, snapshot
from forwarder.queue.scripts import run


def show(*, deep: bool, as_json: bool) -> None:
    """Check the books of all destinations; exits with 1 when one does not close."""
    with open_queue() as queue:
        audits = {name: _audit(queue, name, deep=deep) for name in queue.settings.destination_names}
    if as_json:
        json_out({name: _as_json(books, depth) for name, (books, depth) in audits.items()})
    else:
        for name, (books, depth) in audits.items():
            line(f"{name}:")
            for text in _lines(books, depth):
                line(f"  {text}")
    if not all(_closes(books, depth) for books, depth in audits.values()):
        raise typer.Exit(FAILED)


def _audit(queue: Queue, destination: str, *, deep: bool) -> tuple[Snapshot, DeepAudit | None]:
    keys = queue.keys(destination)
    if not deep:
        return run(queue.client, snapshot(keys)), None
    depth = deep_audit(queue.client, keys)
    return depth.books, depth


def _closes(books: Snapshot, depth: DeepAudit | None) -> bool:
    """A queue that never stood still is no failure: nothing is known to be wrong."""
    return all(entry.closes for entry in books.lines) and (depth is None or depth.closes is not False)


def _lines(books: Snapshot, depth: DeepAudit | None) -> Iterator[str]:
    for entry in books.lines:
        yield f"{entry}   ok" if entry.closes else str(entry)
    if depth is None:
        return
    pending, waiting = books["pending"], depth.waiting
    equation = f"pending {pending:,} = waiting {waiting.events:,} in {waiting.entries:,} entries"
    if depth.closes is None:
        yield f"deep: the queue never stood still in {SCANS_MAX} scans: {equation} is not compared; try again later"
    elif depth.closes:
        yield f"deep: {equation}   ok"
    else:
        yield f"deep: {equation}   DOES NOT CLOSE: {pending - waiting.events:+,}"
    if waiting.raw_entries:
        yield f"deep: {waiting.raw_entries:,} entries by plain XADD, not yet counted"


def _as_json(books: Snapshot, depth: DeepAudit | None) -> dict[str, Any]:
    lines = [
        {"name": entry.name, "left": entry.left, "right": entry.right, "closes": entry.closes} for entry in books.lines
    ]
    answer: dict[str, Any] = {"closes": _closes(books, depth), "lines": lines}
    if depth is not None:
        answer["deep"] = {
            "pending": books["pending"],
            "waiting": depth.waiting.events,
            "entries": depth.waiting.entries,
            "not_yet_counted_entries": depth.waiting.raw_entries,
            "stood_still": depth.stood_still,
            "closes": depth.closes,
        }
    return answer
