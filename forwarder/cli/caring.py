"""What `dead-letters export`, `import` and `purge` do: ask, show progress, give an exact account however it ends."""

from collections.abc import Iterator

import msgspec

from forwarder.cli.asking import ask
from forwarder.cli.boundary import say
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import counted, is_attended, json_out, line
from forwarder.cli.progress import progress
from forwarder.cli.reach import Direct, Reach, chosen, reached
from forwarder.dead.files import STANDARD, read_lines, written_file
from forwarder.dead.filters import Filters
from forwarder.dead.importing import Imported
from forwarder.dead.purging import Purged
from forwarder.errors import ForwarderError, UsageError
from forwarder.operations.letter_forms import Chosen, ToImport, ToPurge
from forwarder.operations.letters import count, import_pages, purge_pages, purgeable
from forwarder.operations.operator import Operator
from forwarder.operations.table import IMPORT, PURGE, STATS
from forwarder.queue.unavailable import queue_errors

_WAY_ON = "nothing is lost or doubled; the same command goes on"
_SLICE_BYTES = 2_097_152
"""Of the lines that are sent in one request."""
_TOLD_EVERY = 1_000
"""Letters of an export between two steps of the bar."""


def export(filters: Filters, destination: str, file: str, *, force: bool) -> None:
    """JSON lines into a file, which appears when it is complete, or onto standard output."""
    done = told = 0
    with (
        reached() as reach,
        written_file(file, force=force) as out,
        progress("exporting", None, in_bytes=False) as advance,
    ):
        for piece in reach.export(msgspec.convert(chosen(filters, destination), Chosen)):
            out.write(piece)
            done += piece.count(b"\n")
            if done >= told + _TOLD_EVERY:
                told = done
                advance(done, done)
    say(f"exported {counted(done, 'dead letter')}" + ("" if file == STANDARD else f" to {file}"))


def import_file(destination: str, file: str, *, again: bool, as_json: bool) -> None:
    """Bring the letters of a file back."""
    done = Imported()
    with reached() as reach, read_lines(file) as lines, progress("imported", None, in_bytes=False) as advance:
        asked = ToImport(destination=destination, lines=[], name=file, again=again)
        if isinstance(reach, Direct):
            pages = import_pages(reach.operator, asked, lines, done)
        else:
            pages = _import_slices(reach, asked, lines, done)
        try:
            for page in pages:
                advance(page.buried, page.buried)
        finally:
            _say_imported(done, as_json=as_json)


def _import_slices(
    reach: Reach, asked: ToImport, lines: Iterator[tuple[int, bytes]], done: Imported
) -> Iterator[Imported]:
    """The same in requests of some megabytes."""
    for first_line, texts in _slices(lines):
        answer = reach.do(IMPORT, msgspec.structs.replace(asked, lines=texts, first_line=first_line))
        done.buried += answer.imported
        done.present += answer.present
        yield done
        if answer.flaw is not None:
            raise ForwarderError(answer.flaw)


def _slices(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, list[str]]]:
    """Lines with the number of their first; where some are left out, as empty ones are, a slice ends."""
    texts: list[str] = []
    first = size = 0
    for number, line_bytes in lines:
        if texts and (size > _SLICE_BYTES or number != first + len(texts)):
            yield first, texts
            texts, size = [], 0
        first = first if texts else number
        texts.append(line_bytes.decode("utf-8", "backslashreplace"))
        size += len(line_bytes)
    if texts:
        yield first, texts


def purge(filters: Filters, destination: str, *, everything: bool, yes: bool, as_json: bool) -> None:
    """Delete letters for good."""
    asked = msgspec.convert({**chosen(filters, destination), "all": everything}, ToPurge)
    purgeable(asked)
    if not yes and not is_attended():
        raise UsageError("deleting for good needs --yes when nobody can be asked")
    with reached() as reach:
        expected = None
        if is_attended():
            expected = _expected(reach, msgspec.convert(chosen(filters, destination), Chosen))
            ask(f"delete {counted(expected, 'dead letter')} of {destination} for good?", yes=yes or not expected)
        if isinstance(reach, Direct):
            _purge(reach.operator, asked, expected, as_json=as_json)
        else:
            done = reach.do(PURGE, asked)
            _say_purged(Purged(done.matched, done.purged, done.gone), as_json=as_json)


def _expected(reach: Reach, asked: Chosen) -> int:
    return count(reach.operator, asked) if isinstance(reach, Direct) else reach.do(STATS, asked).total


def _purge(operator: Operator, asked: ToPurge, expected: int | None, *, as_json: bool) -> None:
    done = Purged()
    try:
        with (
            Interrupts() as interrupts,
            queue_errors(operator.settings),
            progress("purged", expected, in_bytes=False) as advance,
        ):
            for page in purge_pages(operator, asked, done, interrupts.held):
                advance(page.purged, page.purged)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: {_WAY_ON}") from None
    except ForwarderError as error:
        raise ForwarderError(f"{error}\n{_WAY_ON}") from None
    finally:
        _say_purged(done, as_json=as_json)


def _say_imported(done: Imported, *, as_json: bool) -> None:
    if as_json:
        json_out({"imported": done.buried, "present": done.present})
        return
    passed = f" ({done.present:,} were there or had been imported before)" if done.present else ""
    line(f"{counted(done.buried, 'dead letter')} imported{passed}")


def _say_purged(done: Purged, *, as_json: bool) -> None:
    if as_json:
        json_out({"matched": done.matched, "purged": done.purged, "gone": done.gone})
        return
    note = f" ({done.gone:,} were gone meanwhile)" if done.gone else ""
    line(f"{done.purged:,} of {done.matched:,} dead letters purged{note}")
