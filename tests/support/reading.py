"""Files of events, read in blocks as pipes give them."""

import io
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from forwarder.feedback import Limits, codec
from forwarder.records import Chunk, Reader, Source, UnreadableInput
from forwarder.records.source import Format

CODEC = codec(Limits())

EVENT = {"trace_id": "t1", "value": 5}

FORMATS = get_args(Format)


class Blocks:
    """A stream that gives its bytes in the blocks that a test wants."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.reads = 0

    def read1(self, _size: int, /) -> bytes:
        """The next block, whatever its size."""
        self.reads += 1
        return next(self._blocks, b"")


def reader(data: bytes, wanted_format: Format | None = None, name: str = "", limits: Limits | None = None) -> Reader:
    """A reader of these bytes."""
    return Reader(Source(io.BytesIO(data)), codec(limits) if limits else CODEC, name=name, wanted_format=wanted_format)


def events(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """The events of chunks, in order."""
    joined = b",".join(chunk.members.joined for chunk in chunks if chunk.members)
    found: list[dict[str, Any]] = json.loads(b"[" + joined + b"]")
    return found


def flaws(chunks: list[Chunk]) -> list[tuple[int, str | None]]:
    """Place and field of what was refused."""
    return [(refusal.position, refusal.flaw.field) for chunk in chunks for refusal in chunk.refused]


def until_broken(source: Reader) -> tuple[list[Chunk], str]:
    """The chunks that come before the input cannot be read on, and why."""
    found = []
    try:
        for chunk in source.chunks():
            found.append(chunk)  # noqa: PERF402 - a list() would lose them when it raises
    except UnreadableInput as error:
        return found, str(error)
    pytest.fail("it was read to its end")


def lines(*members: object) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(member).encode() + b"\n" for member in members)
