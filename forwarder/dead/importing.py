"""Bring exported letters back, each once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from forwarder.dead.lines import BadLineError, identity, read
from forwarder.dead.reading import in_pages
from forwarder.errors import ForwarderError
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import DeadLetter, bury_again
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run


@dataclass(slots=True)
class Imported:
    """How far an import has come.

    Attributes:
        buried: letters that are dead again.
        present: letters that were there, or had been imported before.
    """

    buried: int = 0
    present: int = 0


def import_letters(
    client: Client, keys: Keys, name: str, lines: Iterable[tuple[int, bytes]], *, done: Imported, again: bool
) -> Iterator[Imported]:
    """Bury the letters of a file; yields the same count, further on, after each page.

    Args:
        client: of the queue.
        keys: the partition.
        name: of the file, for messages.
        lines: with their numbers.
        done: the count, the caller's own, so that it is right also when this is broken off.
        again: also those that were imported before and have been replayed or purged since.

    Raises:
        ForwarderError: a line is no exported letter; those before it are imported, and are not imported twice.
    """
    flaws: list[str] = []
    for page in in_pages(_letters(lines, flaws)):
        buried, present = run(client, bury_again(keys, [(identity(letter), letter) for letter in page], again=again))
        done.buried += buried
        done.present += present
        yield done
    if flaws:
        raise ForwarderError(f"{name}:{flaws[0]}; mend it and import again: nothing comes twice")


def _letters(lines: Iterable[tuple[int, bytes]], flaws: list[str]) -> Iterator[DeadLetter]:
    """The letters before the first line that is none, which becomes a flaw."""
    for number, line in lines:
        try:
            yield read(line)
        except BadLineError as error:
            flaws.append(f"{number}: {error}")
            return
