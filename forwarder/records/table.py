"""CSV with a header: trace_id, value, weight, text, metadata (as JSON). Empty cells are left out."""

import csv
import math
import re
from collections.abc import Iterator

import msgspec

from forwarder.flaws import Flaw, explain
from forwarder.parts import UNDECODABLE
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS
from forwarder.records.groups import Group
from forwarder.records.json_lines import lines
from forwarder.records.source import RECORD_MAX_BYTES, Source, UnreadableInput

COLUMNS = ("trace_id", "value", "weight", "text", "metadata")
_DELIMITERS = (",", ";", "\t")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


class _Recorder:
    """Hands lines to the CSV reader and remembers them, because a refused row is written as it came.

    Attributes:
        drained: whether the last line at hand was given, and more is slow to come.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._taken: list[str] = []
        self.drained = False

    def __iter__(self) -> Iterator[str]:
        for part, hurry in lines(self._source):
            for left, raw in zip(range(len(part) - 1, -1, -1), part, strict=True):
                line = raw.decode("utf-8", "surrogateescape") + "\n"
                self._taken.append(line)
                self.drained = hurry and not left
                yield line

    def taken(self) -> bytes:
        """What was read since the last call."""
        text = "".join(self._taken)
        self._taken.clear()
        return text.encode("utf-8", "surrogateescape").rstrip(b"\r\n")


class Table:
    """Rows of a CSV stream as groups of JSON records.

    Attributes:
        header: the first row as it came; known once `rows` has begun.
    """

    def __init__(self, source: Source) -> None:
        self._recorder = _Recorder(source)
        self.header = b""

    def rows(self) -> Iterator[Group]:
        """The rows, the first behind the header being row 2.

        Raises:
            UnreadableInput: the header is not one of ours, or a quote is not closed.
        """
        csv.field_size_limit(RECORD_MAX_BYTES)
        texts = iter(self._recorder)
        first = next(texts, "")
        self.header = self._recorder.taken()
        delimiter = max(_DELIMITERS, key=first.count)
        columns = _columns(next(csv.reader([first], delimiter=delimiter), []))
        group = _Growing(first=2)
        for cells in self._read(csv.reader(texts, delimiter=delimiter, strict=True), group):
            group.add(self._recorder.taken(), _converted(cells, columns))
            if group.full or self._recorder.drained:
                yield group.done()
                group.begin()
        if group.records:
            yield group.done()
        if group.broken:
            raise group.broken

    @staticmethod
    def _read(reader: "Iterator[list[str]]", group: "_Growing") -> Iterator[list[str]]:
        """The rows up to the end or the first that the reader gives up on; that is left in `group.broken`."""
        try:
            yield from reader
        except csv.Error as error:
            row = group.first + len(group.records)
            group.broken = UnreadableInput(
                f"row {row:,} is not CSV ({error}): nothing from there on was read; is a quote not closed?"
            )
        except UnreadableInput as error:
            group.broken = error


class _Growing:
    """A group that is being filled."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.records: list[bytes] = []
        self.broken: UnreadableInput | None = None
        self._verbatim: list[bytes] = []
        self._flaws: dict[int, Flaw] = {}
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether it fills an entry."""
        return len(self.records) >= CHUNK_MAX_EVENTS or self._bytes >= CHUNK_MAX_BYTES

    def add(self, verbatim: bytes, converted: bytes | Flaw) -> None:
        """Append a row."""
        if isinstance(converted, Flaw):
            self._flaws[len(self.records)] = converted
            converted = b""
        self.records.append(converted)
        self._verbatim.append(verbatim)
        self._bytes += len(converted) + 1

    def done(self) -> Group:
        """What has been gathered."""
        return Group(self.first, self.records, self._verbatim, self._flaws)

    def begin(self) -> None:
        """Start over behind it."""
        self.first += len(self.records)
        self.records, self._verbatim, self._flaws, self._bytes = [], [], {}, 0


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip() for name in header]
    unknown = [name for name in columns if name not in COLUMNS]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    missing = [name for name in COLUMNS[:2] if name not in columns]
    for names, problem in ((unknown, "unknown"), (twice, "repeated"), (missing, "missing")):
        if names:
            shown = ", ".join(repr(name[:40]) for name in names[:5])
            raise UnreadableInput(f"the CSV header (row 1) has {problem} columns: {shown}; known: {', '.join(COLUMNS)}")
    return columns


def _converted(cells: list[str], columns: list[str]) -> bytes | Flaw:
    """A row as JSON; empty for a blank one."""
    if len(cells) > len(columns):
        return Flaw(None, None, f"has {len(cells)} cells, and the header has {len(columns)}", b"")
    event: dict[str, object] = {}
    for name, cell in zip(columns, cells, strict=False):
        if not cell:
            continue
        value = _value(name, cell)
        if isinstance(value, Flaw):
            return value
        event[name] = value
    return msgspec.json.encode(event) if event else b""


def _value(name: str, cell: str) -> object:
    """A cell as what stands in the event, or the Flaw that forbids it."""
    try:
        raw = cell.encode()
    except UnicodeEncodeError:
        return Flaw(None, name, "is not UTF-8", b"")
    if name in ("value", "weight"):
        return _number(cell.strip())
    if name != "metadata":
        return cell
    try:
        msgspec.json.decode(raw)
    except UNDECODABLE as error:
        return Flaw(None, name, explain(error, {})[1], b"")
    return msgspec.Raw(raw)


def _number(cell: str) -> float | str:
    """A number, or the cell as it stands, for the codec to refuse."""
    if not _NUMBER.fullmatch(cell):
        return cell
    number = float(cell)
    if not math.isfinite(number):
        return cell
    return int(number) if number.is_integer() else number
