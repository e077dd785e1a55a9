"""What `audit` shows."""

from collections.abc import Iterator
from typing import Any

import typer

from forwarder.cli.boundary import FAILED
from forwarder.cli.context import Queue, open_queue
from forwarder.cli.output import json_out, line
from forwarder.queue.audit import SCANS_MAX, DeepAudit, deep_audit
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Snapshot, snapshot, total
from forwarder.queue.scripts import run

Audit = tuple[Snapshot, DeepAudit | None]


def show(*, deep: bool, as_json: bool) -> None:
    """Check the books of all partitions of all destinations; exits with 1 when one does not close."""
    with open_queue() as queue:
        audits = {
            name: {str(keys): _audit(queue, keys, deep=deep) for keys in queue.partitions(name)}
            for name in queue.settings.destination_names
        }
    if as_json:
        json_out({name: _all_as_json(list(partitions.values())) for name, partitions in audits.items()})
    else:
        for partitions in audits.values():
            _print(partitions)
    if not all(_closes(*audit) for partitions in audits.values() for audit in partitions.values()):
        raise typer.Exit(FAILED)


def _print(partitions: dict[str, Audit]) -> None:
    for name, audit in partitions.items():
        line(f"{name}:")
        for text in _lines(*audit):
            line(f"  {text}")


def _audit(queue: Queue, keys: Keys, *, deep: bool) -> Audit:
    if not deep:
        return run(queue.client, snapshot(keys)), None
    depth = deep_audit(queue.client, keys)
    return depth.books, depth


def _all_as_json(audits: list[Audit]) -> dict[str, Any]:
    """A destination: the sums of its partitions, and each of them, when there are several."""
    if len(audits) == 1:
        return _as_json(*audits[0])
    answer = _as_json(total([books for books, _ in audits]), None)
    apart = [_as_json(*audit) for audit in audits]
    return {**answer, "closes": all(one["closes"] for one in apart), "partitions": apart}


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
