"""Groups: as many records as one entry may hold, taken from the stream before anybody looks into them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from forwarder.flaws import Flaw
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS
from forwarder.records.source import UnreadableInput


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring records.

    Attributes:
        first: the position of the first, counted from 1.
        records: each one JSON value; empty or blank when there is nothing at that position.
        verbatim: the records as they came, when that is not the same.
        flaws: by index, why a record could not even be made JSON.
    """

    first: int
    records: list[bytes]
    verbatim: list[bytes] | None = None
    flaws: Mapping[int, Flaw] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The position of the last record."""
        return self.first + len(self.records) - 1

    def behind(self, position: int) -> "Group | None":
        """The group without the records up to a position; None when nothing is left."""
        gone = position - self.first + 1
        if gone <= 0:
            return self
        if gone >= len(self.records):
            return None
        verbatim = None if self.verbatim is None else self.verbatim[gone:]
        flaws = {index - gone: flaw for index, flaw in self.flaws.items() if index >= gone}
        return Group(position + 1, self.records[gone:], verbatim, flaws)


def grouped(parts: Iterator[tuple[list[bytes], bool]]) -> Iterator[Group]:
    """Regroup records that come in parts of any size.

    Args:
        parts: records, and whether they are not to be kept waiting for more.
    """
    waiting: list[bytes] = []
    waiting_bytes, first = 0, 1
    broken: UnreadableInput | None = None
    while broken is None:
        try:
            part = next(parts, None)
        except UnreadableInput as error:  # what came before it is good
            part, broken = None, error
        records, hurry = ([], True) if part is None else part
        waiting += records
        waiting_bytes += sum(map(len, records))
        while waiting and (hurry or len(waiting) >= CHUNK_MAX_EVENTS or waiting_bytes >= CHUNK_MAX_BYTES):
            count = _fitting(waiting)
            group = Group(first, waiting[:count])
            del waiting[:count]
            waiting_bytes -= sum(map(len, group.records))
            first += count
            yield group
        if part is None:
            break
    if broken is not None:
        raise broken


def _fitting(records: list[bytes]) -> int:
    """How many of the first records fit one entry: at least one."""
    count = min(len(records), CHUNK_MAX_EVENTS)
    size = sum(map(len, records[:count])) + count + 1  # with commas and brackets
    while count > 1 and size > CHUNK_MAX_BYTES:
        count -= 1
        size -= len(records[count]) + 1
    return count
