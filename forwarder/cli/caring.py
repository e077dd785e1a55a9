"""What `dead-letters export`, `import` and `purge` do: ask, show progress, give an exact account however it ends."""

from forwarder.cli.asking import ask
from forwarder.cli.boundary import say
from forwarder.cli.context import Queue, open_queue
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import is_attended, json_out, line
from forwarder.cli.progress import progress
from forwarder.dead.files import STANDARD, read_lines, written_file
from forwarder.dead.importing import Imported, import_letters
from forwarder.dead.lines import written
from forwarder.dead.purging import Purged
from forwarder.dead.purging import purge as purging
from forwarder.dead.reading import selected_of_all
from forwarder.dead.selection import Selection
from forwarder.errors import ForwarderError, UsageError
from forwarder.queue.connection import queue_errors

_WAY_ON = "nothing is lost or doubled; the same command goes on"


def export(selection: Selection, destination: str, file: str, *, force: bool) -> None:
    """JSON lines into a file, which appears when it is complete, or onto standard output."""
    count = 0
    with open_queue() as queue, written_file(file, force=force) as out:
        partitions, secrets = queue.partitions(destination), queue.settings.secrets
        with progress("exporting", None, in_bytes=False) as advance:
            for letter in selected_of_all(queue.client, partitions, selection):
                out.write(written(letter, secrets))
                count += 1
                if count % 1_000 == 0:
                    advance(count, count)
    say(f"exported {count:,} dead letters" + ("" if file == STANDARD else f" to {file}"))


def import_file(destination: str, file: str, *, again: bool, as_json: bool) -> None:
    """Bring the letters of a file back."""
    done = Imported()
    with open_queue() as queue, read_lines(file) as lines, progress("imported", None, in_bytes=False) as advance:
        pages = import_letters(queue.client, queue.keys(destination), file, lines, done=done, again=again)
        try:
            for page in pages:
                advance(page.buried, page.buried)
        finally:
            _say_imported(done, as_json=as_json)


def purge(selection: Selection, destination: str, *, everything: bool, yes: bool, as_json: bool) -> None:
    """Delete letters for good."""
    if selection.is_everything and not everything:
        raise UsageError("give a filter, or --all for all of them")
    if everything and not selection.is_everything:
        raise UsageError("--all and filters do not go together")
    if not yes and not is_attended():
        raise UsageError("deleting for good needs --yes when nobody can be asked")
    with open_queue() as queue:
        expected = None
        if is_attended():
            expected = sum(1 for _ in selected_of_all(queue.client, queue.partitions(destination), selection))
            ask(f"delete {expected:,} dead letters of {destination} for good?", yes=yes or not expected)
        _purge(queue, destination, selection, expected, as_json=as_json)


def _purge(queue: Queue, destination: str, selection: Selection, expected: int | None, *, as_json: bool) -> None:
    done = Purged()
    try:
        with (
            Interrupts() as interrupts,
            queue_errors(queue.settings),
            progress("purged", expected, in_bytes=False) as advance,
        ):
            for keys in queue.partitions(destination):
                for page in purging(queue.client, keys, selection, done=done, guard=interrupts.held):
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
    line(f"{done.buried:,} dead letters imported{passed}")


def _say_purged(done: Purged, *, as_json: bool) -> None:
    if as_json:
        json_out({"matched": done.matched, "purged": done.purged, "gone": done.gone})
        return
    note = f" ({done.gone:,} were gone meanwhile)" if done.gone else ""
    line(f"{done.purged:,} of {done.matched:,} dead letters purged{note}")
