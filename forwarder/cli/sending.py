"""What `send` does: records in, entries out, and an exact account at the end, however it ends."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec
import typer

from forwarder.cli.boundary import FAILED, say
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import counted, json_out, line
from forwarder.cli.progress import progress
from forwarder.cli.reach import open_queue
from forwarder.cli.refused import RefusedFile
from forwarder.errors import ForwarderError, QueueUnavailable, UsageError
from forwarder.feedback import Members, codec
from forwarder.operations.operator import Operator
from forwarder.parts import UNDECODABLE
from forwarder.queue.durable import run_durably
from forwarder.queue.keys import Keys
from forwarder.queue.stream import append, new_chunk_id, partition_of
from forwarder.queue.unavailable import queue_errors
from forwarder.records import Reader, Source, UnreadableInput
from forwarder.records.source import Format


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for; see the command's options."""

    file: str
    destination: str
    source: str
    format: Format | None = None
    skip: int = 0
    refused: Path | None = None


def send_event(event: dict[str, Any], order: Order, *, as_json: bool) -> None:
    """Append one event that was given by options."""
    if "trace_id" not in event or "value" not in event:
        raise UsageError("one event needs --trace-id and --value")
    if "metadata" in event:
        try:
            event["metadata"] = msgspec.json.decode(event["metadata"])
        except UNDECODABLE as error:
            raise UsageError(f"--metadata is not JSON: {error}") from None
    with open_queue() as queue:
        members = Members(codec(queue.settings.limits).encode(event), 1)
        queue.keys(order.destination)
        entry_id = _append(queue, order, members)
    if as_json:
        json_out({"appended": 1, "entries": 1, "refused": 0, "entry": entry_id})
    else:
        line(f"appended 1 event as entry {entry_id}")


def send_file(order: Order, *, as_json: bool) -> None:
    """Append what a file or a pipe holds; exits with 1 when anything was refused."""
    with open_queue() as queue, _opened(order) as stream:
        sending = _Sending(queue, order, stream)
        try:
            sending.run(_size(stream))
        except (ForwarderError, KeyboardInterrupt) as error:
            sending.report(as_json=as_json)
            raise sending.with_way_on(error) from None
    if not sending.events and not sending.refused.count:
        raise UnreadableInput(f"{order.file}: no events in it" + (f" after {order.skip:,}" if order.skip else ""))
    sending.report(as_json=as_json)
    if sending.refused.count:
        raise typer.Exit(FAILED)


class _Sending:
    """One file on its way.

    Attributes:
        events: appended so far.
        entries: in so many entries.
        last: everything up to this position was appended or refused.
        refused: where the refused go.
    """

    def __init__(self, queue: Operator, order: Order, stream: BufferedReader) -> None:
        self._queue = queue
        self._order = order
        queue.keys(order.destination)
        self._source = Source(stream)
        with _naming(order.file):
            self._reader = Reader(
                self._source, codec(queue.settings.limits), name=order.file, wanted_format=order.format
            )
        self.refused = RefusedFile(order.refused, self._reader.format)
        self.events = self.entries = 0
        self.last = order.skip

    def run(self, size: int | None) -> None:
        """Append everything; says how far it has come on a progress bar."""
        with (
            Interrupts() as interrupts,
            self.refused,
            progress("sending", size, in_bytes=True) as advance,
            _naming(self._order.file),
        ):
            for chunk in self._reader.chunks(self._order.skip):
                with interrupts.held():
                    if chunk.members is not None:
                        _append(self._queue, self._order, chunk.members)
                        self.events += chunk.members.count
                        self.entries += 1
                    self.refused.write(chunk.refused, self._reader.header)
                    self.last = chunk.last
                advance(self._source.read_bytes, self.events)

    def report(self, *, as_json: bool) -> None:
        """Say what was done, and what is wrong with the first of the refused."""
        flaws = [(refusal.position, refusal.flaw) for refusal in self.refused.flaws]
        path = None if self.refused.path is None else str(self.refused.path)
        if as_json:
            shown = [{self._reader.unit: at, "where": flaw.where, "problem": flaw.problem} for at, flaw in flaws]
            account = {"appended": self.events, "entries": self.entries, "refused": self.refused.count}
            json_out({**account, "refused_file": path, "last": self.last, "flaws": shown})
            return
        for at, flaw in flaws:
            say(f"{self._reader.unit} {at}: {flaw}")
        more = self.refused.count - len(flaws)
        if more:
            say(f"… and {more:,} more")
        noted = f" ({self.refused.count:,} refused, see {path})" if path else ""
        line(f"appended {counted(self.events, 'event')} in {counted(self.entries, 'entry', 'entries')}{noted}")

    def with_way_on(self, error: BaseException) -> BaseException:
        """The error, with how to go on from where it struck."""
        if isinstance(error, UnreadableInput):
            return error
        unsure = " (one entry more may have been stored)" if isinstance(error, QueueUnavailable) else ""
        way_on = f"stopped after {self._reader.unit} {self.last}{unsure}: the same command with --skip {self.last} "
        if isinstance(error, KeyboardInterrupt):
            return KeyboardInterrupt(f"interrupted; {way_on}goes on")
        return ForwarderError(f"{error}\n{way_on}goes on")


def _append(queue: Operator, order: Order, members: Members) -> str:
    """Append one entry; the client repeats the step after a lost reply, under the same chunk id."""
    settings, chunk_id = queue.settings, new_chunk_id(queue.settings.partitions_of(order.destination))
    keys = Keys(order.destination, partition_of(chunk_id), settings.key_prefix)
    step = append(keys, members, chunk_id=chunk_id, source=order.source, caps=settings.caps)
    with queue_errors(settings):
        return run_durably(queue.client, step, settings.durability, settings.redis_timeout_s)


@contextmanager
def _opened(order: Order) -> Iterator[BufferedReader]:
    if order.file == "-":
        yield sys.stdin.buffer  # type: ignore[misc]  # typeshed does not know that it is buffered
        return
    path = Path(order.file)
    if order.refused is not None and order.refused.exists() and path.exists() and order.refused.samefile(path):
        raise UsageError("--refused names the input itself; it would be overwritten")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UnreadableInput(f"{order.file}: {(error.strerror or 'cannot be read').lower()}") from None
    with stream:
        yield stream


def _size(stream: BufferedReader) -> int | None:
    """The bytes of a file; None for a pipe."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except UnreadableInput as error:
        raise UnreadableInput(f"{'standard input' if file == '-' else file}: {error}") from None
