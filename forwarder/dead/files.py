"""Files of exported letters: JSON lines, compressed when their name says so; written whole or not at all."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from forwarder.dead.lines import LINE_MAX_BYTES
from forwarder.errors import ForwarderError, UsageError
from forwarder.extras import require

STANDARD: Final = "-"
"""Standard output, or input."""


@contextmanager
def written_file(name: str, *, force: bool) -> Iterator[IO[bytes]]:
    """A new file, which appears when it is complete; `-` is standard output.

    Args:
        name: ends with `.gz` or `.zst` for a compressed one.
        force: replace the file when it is there.

    Raises:
        UsageError: it is there.
        ForwarderError: it cannot be written.
    """
    if name == STANDARD:
        yield sys.stdout.buffer
        return
    path = Path(name)
    if path.exists() and not force:
        raise UsageError(f"{name} is already there; choose another name, or --force to replace it")
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("xb") as raw:
            with _compressing(path.suffix, raw) as out:
                yield out
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(path)
    except OSError as error:
        raise ForwarderError(f"{name} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):  # there is none, or it can be reached as little as before
            partial.unlink()


@contextmanager
def read_lines(name: str) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The lines of a file with their numbers from 1, empty ones left out; `-` is standard input.

    Raises:
        ForwarderError: it cannot be read, or is damaged.
    """
    try:
        with ExitStack() as opened:
            raw = sys.stdin.buffer if name == STANDARD else opened.enter_context(Path(name).open("rb"))
            yield _lines(name, opened.enter_context(_inflating(Path(name).suffix, raw)))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ForwarderError(f"{name} is damaged or cut off: {error}") from None
    except OSError as error:
        raise ForwarderError(f"{name} cannot be read: {error.strerror or error}") from None


def _lines(name: str, source: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := source.readline(LINE_MAX_BYTES + 1):
        number += 1
        if len(line) > LINE_MAX_BYTES:
            raise ForwarderError(f"{name}:{number}: the line has more than {LINE_MAX_BYTES} bytes")
        if line.strip():
            yield number, line


@contextmanager
def _compressing(suffix: str, raw: BinaryIO) -> Iterator[IO[bytes]]:
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6) as out:
            yield cast("IO[bytes]", out)
    elif suffix == ".zst":
        require("zstd")
        from forwarder.zstd import ZstdFile  # noqa: PLC0415 - an extra

        with ZstdFile(raw, mode="wb", level=6) as out:
            out.write(b"")  # else nothing at all is written when there are no letters, and that reads as cut off
            yield cast("IO[bytes]", out)
    else:
        yield raw


@contextmanager
def _inflating(suffix: str, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="rb") as source:
            yield cast("IO[bytes]", source)
    elif suffix == ".zst":
        require("zstd")
        from forwarder.zstd import ZstdError, ZstdFile  # noqa: PLC0415 - an extra

        try:
            with ZstdFile(raw, mode="rb") as source:
                yield cast("IO[bytes]", source)
        except ZstdError as error:
            raise EOFError(str(error)) from None
    else:
        yield raw
