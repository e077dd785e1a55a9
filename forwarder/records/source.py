"""Where records come from: a stream of bytes, read in blocks, its encoding checked and its format found out."""

import re
from collections.abc import Iterator
from typing import Final, Literal, Protocol

import msgspec

from forwarder.errors import ForwarderError

Format = Literal["jsonl", "json", "csv"]

UNITS: Final[dict[str, str]] = {"jsonl": "line", "json": "event", "csv": "row"}
"""What one record is called in each format."""

RECORD_MAX_BYTES: Final = 16_777_216
"""A record longer than this ends the reading: memory stays bounded. Larger than any event may be set to."""

_BLOCK_BYTES: Final = 1_048_576
_TRICKLE_BYTES: Final = 4_096
_HEAD_BYTES: Final = 65_536
_BOM: Final = b"\xef\xbb\xbf"
_FOREIGN: Final = {
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
    b"\x1f\x8b": "is compressed; unpack it first: gunzip -c FILE | forwarder send -",
    b"\x28\xb5\x2f\xfd": "is compressed; unpack it first: zstd -dc FILE | forwarder send -",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; save the table as CSV",
}
_HEADER_CELL = re.compile(rb'(^|[,;\t])\s*"?trace_id"?\s*([,;\t]|$)')


class UnreadableInput(ForwarderError):
    """The input cannot be read on from some place."""


class Readable(Protocol):
    """A buffered binary stream."""

    def read1(self, size: int, /) -> bytes:
        """What is at hand, at most `size` bytes; empty at the end."""


class Source:
    """A stream in blocks, without its byte order mark.

    Attributes:
        read_bytes: how much has been read so far.
        trickles: whether whoever writes the stream is slower than we are; then records are not kept waiting.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._head = b""
        self.read_bytes = 0
        self.trickles = False

    def head(self) -> bytes:
        """The beginning, up to the first line's end or 64 KiB; it stays in the stream.

        Raises:
            UnreadableInput: it is no UTF-8 text.
        """
        while len(self._head) < _HEAD_BYTES and b"\n" not in self._head.lstrip():
            block = self._read()
            if not block:
                break
            self._head += block
        _refuse_foreign(self._head)
        self._head = self._head.removeprefix(_BOM)
        return self._head

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            block, self._head = self._head, b""
            yield block
        while block := self._read():
            yield block

    def _read(self) -> bytes:
        block = self._stream.read1(_BLOCK_BYTES)
        self.read_bytes += len(block)
        self.trickles = len(block) < _TRICKLE_BYTES
        return block


def detect(name: str, head: bytes) -> Format:
    """The format of a file, by its name and else by how it begins."""
    suffix = name.lower().rpartition(".")[2]
    if suffix in ("jsonl", "ndjson"):
        return "jsonl"
    if suffix == "csv":
        return "csv"
    first_line, newline, rest = head.lstrip().partition(b"\n")
    if first_line.startswith(b"{"):  # laid out over several lines, unless the next line begins another object
        return "json" if newline and _goes_on(first_line) and not rest.lstrip().startswith(b"{") else "jsonl"
    if first_line.startswith(b"["):
        return "json" if _goes_on(first_line) else "jsonl"
    return "csv" if _HEADER_CELL.search(first_line.rstrip(b"\r")) else "jsonl"


def _goes_on(line: bytes) -> bool:
    """Whether a JSON value begins on the line and does not end on it."""
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (UnicodeDecodeError, RecursionError):
        return False
    return False


def _refuse_foreign(head: bytes) -> None:
    for magic, problem in _FOREIGN.items():
        if head.startswith(magic):
            raise UnreadableInput(f"the input {problem}")
    if b"\0" in head:
        raise UnreadableInput("the input is binary, not text: it holds null bytes")
