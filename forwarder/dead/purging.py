"""Delete dead letters for good, page by page, each counted in the step that deletes it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from forwarder.dead.reading import in_pages, selected_now
from forwarder.dead.selection import Selection
from forwarder.queue import dead_letters
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run

Guard = Callable[[], AbstractContextManager[object]]
"""Wraps each page's step and its counting; the commands hold back Ctrl-C in it, so that counts are exact."""


@dataclass(slots=True)
class Purged:
    """How far a purge has come.

    Attributes:
        matched: letters of the selection.
        purged: deleted.
        gone: replayed or purged by somebody else meanwhile.
    """

    matched: int = 0
    purged: int = 0
    gone: int = 0


def purge(
    client: Client, keys: Keys, selection: Selection, *, done: Purged, guard: Guard = nullcontext
) -> Iterator[Purged]:
    """Delete the letters of a selection that are dead now; yields the same count, further on, after each page.

    Args:
        client: of the queue.
        keys: the partition.
        selection: which letters.
        done: the count, the caller's own, so that it is right also when this is broken off.
        guard: around each step.
    """
    for page in in_pages(selected_now(client, keys, selection)):
        with guard():
            purged = run(client, dead_letters.purge(keys, [letter.id for letter in page if letter.id]))
            done.matched += len(page)
            done.purged += purged
            done.gone += len(page) - purged
        yield done
