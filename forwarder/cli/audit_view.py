"""What `audit` shows."""

from collections.abc import Iterator

import msgspec
import typer

from forwarder.cli.boundary import FAILED
from forwarder.cli.output import json_out, line
from forwarder.cli.reach import reached
from forwarder.operations.status import Audit, Deep, HowDeep
from forwarder.operations.table import AUDIT
from forwarder.queue.audit import SCANS_MAX
from forwarder.queue.ledger import Line


def show(*, deep: bool, as_json: bool) -> None:
    """Check the books of all destinations; exits with 1 when one does not close."""
    with reached() as reach:
        audits = reach.do(AUDIT, HowDeep(deep))
    if as_json:
        json_out(msgspec.to_builtins(audits))
    else:
        for name, books in audits.items():
            for number, one in enumerate(books.partitions or [books]):
                line(f"{name}, partition {number}:" if books.partitions else f"{name}:")
                for text in _lines(one):
                    line(f"  {text}")
    if not all(books.closes for books in audits.values()):
        raise typer.Exit(FAILED)


def _lines(books: Audit) -> Iterator[str]:
    for entry in books.lines:
        text = str(Line(entry.name, entry.left, entry.right))
        yield f"{text}   ok" if entry.closes else text
    if books.deep is not None:
        yield from _deep_lines(books.deep)


def _deep_lines(deep: Deep) -> Iterator[str]:
    equation = f"pending {deep.pending:,} = waiting {deep.waiting:,} in {deep.entries:,} entries"
    if deep.closes is None:
        yield f"deep: the queue never stood still in {SCANS_MAX} scans: {equation} is not compared; try again later"
    elif deep.closes:
        yield f"deep: {equation}   ok"
    else:
        yield f"deep: {equation}   DOES NOT CLOSE: {deep.pending - deep.waiting:+,}"
    if deep.not_yet_counted_entries:
        yield f"deep: {deep.not_yet_counted_entries:,} entries by plain XADD, not yet counted"
