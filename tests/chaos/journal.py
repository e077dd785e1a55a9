"""What the producers know: which events Redis has acknowledged, and of which nobody can tell.

A producer writes one line before each append and one after it, each by one write(2), which outlives a kill -9:

    sent 120 25 chunk          events 120 to 144 are on their way
    stored 120 25 chunk        Redis has acknowledged them: they must arrive
    unknown 120 25 QueueFull   the call raised: they may be there or not, as those that were only `sent`
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLANTED_EVERY = 97
"""One event in so many has the value that the upstream refuses while it is told to."""
PLANTED_VALUE = -9


def trace_id(producer: int, number: int) -> str:
    """The name by which an event is found again."""
    return f"p{producer}-{number}"


def is_planted(trace: str) -> bool:
    """Whether this event is one of those that may be refused."""
    return int(trace.rpartition("-")[2]) % PLANTED_EVERY == 0


class Journal:
    """The writing side, of one producer.

    Args:
        folder: of all journals of a run.
        producer: its number.
    """

    def __init__(self, folder: Path, producer: int) -> None:
        path = folder / f"producer-{producer}.journal"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, state: str, first: int, count: int, word: str) -> None:
        """Write a line."""
        os.write(self._file, f"{state} {first} {count} {word}\n".encode())


@dataclass(frozen=True, slots=True)
class Sent:
    """Everything that was ever sent, by trace id.

    Attributes:
        acknowledged: must arrive.
        unknown: may arrive.
    """

    acknowledged: frozenset[str]
    unknown: frozenset[str]


def read_journals(folder: Path) -> Sent:
    """All journals of a run, together."""
    sent: set[str] = set()
    acknowledged: set[str] = set()
    for path in folder.glob("producer-*.journal"):
        producer = int(path.stem.rpartition("-")[2])
        for state, events in _lines(path, producer):
            sent.update(events)
            if state == "stored":
                acknowledged.update(events)
    return Sent(frozenset(acknowledged), frozenset(sent - acknowledged))


def _lines(path: Path, producer: int) -> Iterator[tuple[str, list[str]]]:
    for line in path.read_text().splitlines():
        state, first, count, _ = line.split(" ", 3)
        yield state, [trace_id(producer, number) for number in range(int(first), int(first) + int(count))]
