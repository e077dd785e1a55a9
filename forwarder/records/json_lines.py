"""JSON lines: each line one object or one array."""

from collections.abc import Iterator

from forwarder.records.source import RECORD_MAX_BYTES, Source, UnreadableInput


def lines(source: Source) -> Iterator[tuple[list[bytes], bool]]:
    """Whole lines without their ends, as many as each block completes, and whether more is slow to come.

    Raises:
        UnreadableInput: a line does not end.
    """
    tail, count = b"", 0
    for block in source:
        whole = (tail + block).split(b"\n")
        tail = whole.pop()
        count += len(whole)
        if whole:
            yield whole, source.trickles
        if len(tail) > RECORD_MAX_BYTES:
            raise UnreadableInput(
                f"line {count + 1:,} has more than {RECORD_MAX_BYTES:,} bytes: nothing from there on was read; "
                "if the input is one JSON array, say --format json"
            )
    if tail:
        yield [tail], True
