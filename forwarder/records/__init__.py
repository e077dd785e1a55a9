"""Reading events from files: JSON lines, one large JSON array, or CSV; streamed, in bounded memory."""

from collections.abc import Iterator

from forwarder.feedback import Codec
from forwarder.records.groups import grouped
from forwarder.records.harvest import Chunk, Refusal, chunks
from forwarder.records.json_array import elements
from forwarder.records.json_lines import lines
from forwarder.records.source import UNITS, Format, Source, UnreadableInput, detect
from forwarder.records.table import Table

__all__ = ["UNITS", "Chunk", "Reader", "Refusal", "Source", "UnreadableInput"]


class Reader:
    """One input, its format known.

    Attributes:
        format: jsonl, json or csv.
        unit: what one record is called: line, event or row.
    """

    def __init__(self, source: Source, codec: Codec, *, name: str = "", wanted_format: Format | None = None) -> None:
        """Look at the beginning of the input.

        Args:
            source: the input.
            codec: of the limits in force.
            name: of the file; its ending tells the format.
            wanted_format: when it is known.

        Raises:
            UnreadableInput: the input is no UTF-8 text.
        """
        head = source.head()
        self.format: Format = wanted_format or detect(name, head)
        self.unit = UNITS[self.format]
        self._source = source
        self._codec = codec
        self._table = Table(source) if self.format == "csv" else None

    @property
    def header(self) -> bytes | None:
        """What a file of refused records begins with, so that it can be mended and sent; None for JSON."""
        return self._table.header if self._table else None

    def chunks(self, skip: int = 0) -> Iterator[Chunk]:
        """Everything behind the first `skip` records, validated and cut; ends or raises behind the last good one.

        Raises:
            UnreadableInput: the rest cannot be read.
        """
        if self._table is not None:
            groups = self._table.rows()
        else:
            groups = grouped(lines(self._source) if self.format == "jsonl" else elements(self._source))
        return chunks(groups, self._codec, skip)
