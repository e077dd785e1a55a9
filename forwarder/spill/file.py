"""The spill file: a capped SQLite file in which chunks wait until Redis takes them; shared by any number of processes.

What `put` has written survives a kill -9 and a power cut: write-ahead log, synced at each commit. A chunk is resent
under a claim that runs out, so that a process that dies while it resends leaves the chunk to the next one. Whether the
dead one had appended it is not known; its chunk id makes the second append harmless while Redis keeps the first one's
trace, and after that the chunk is `doubtful` (see `Chunk`): it is appended, and counted.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forwarder import clock, forks
from forwarder.errors import SpillFull, SpillUnavailable
from forwarder.feedback import Members
from forwarder.queue.chunk import Chunk
from forwarder.queue.codec import PLAIN, BodyCodec
from forwarder.queue.forms import codec_for
from forwarder.settings import Settings
from forwarder.spill import schema

CLAIM_S: Final = 30.0
"""A claim's life. Longer than the longest try to append; a try that is longer still does no harm (chunk ids)."""
BUSY_S: Final = 2.0
"""How long to wait for another process's turn."""

_abandoned: list[sqlite3.Connection] = []
"""Connections of a parent process, in its forked child: closing them there could break the parent's."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """What waits in the file.

    Attributes:
        chunks: appends.
        events: in them.
        body_bytes: their size.
        oldest_ms: when the first of them were accepted (ms since 1970); None when nothing waits.
    """

    chunks: int
    events: int
    body_bytes: int
    oldest_ms: int | None


class SpillFile:
    """One process's hold on the file; safe for threads, and across forks.

    Nothing is opened before it is used. Every method raises SpillUnavailable when the file cannot be used: no right to
    write, a disk that fails, no SQLite file, locked for BUSY_S.

    Args:
        path: of the file; made when it is missing, for its user alone.
        max_bytes: the file's most; what lies in it can always be taken out.
        key_prefix: of the queue's Redis keys; chunks of another prefix are left to those whose they are.
        dedupe_ttl_s: how long Redis knows an append.
        codec: how bodies stand in it.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, key_prefix: str, dedupe_ttl_s: int, codec: BodyCodec = PLAIN
    ) -> None:
        self.path = path
        self._max_pages = max(schema.LEAST_PAGES, max_bytes // schema.PAGE_BYTES)
        self._prefix = key_prefix
        self._codec = codec
        self._dedupe_ms = dedupe_ttl_s * 1_000
        self._lock = threading.Lock()
        self._held = False
        self._db: sqlite3.Connection | None = None
        forks.register(self)

    def put(self, chunks: Iterable[Chunk]) -> None:
        """Write chunks, all or none; one that is there already is left as it is.

        Raises:
            SpillFull: the file has reached its cap, or the disk has no room.
        """
        rows = [(self._prefix, *_columns(chunk, self._codec)) for chunk in chunks]
        with self._transaction(spare_pages=0) as db:
            db.executemany(schema.PUT, rows)

    def take(self, most: int, *, claim_s: float = CLAIM_S, without: Sequence[str] = ()) -> list[Chunk]:
        """Claim the oldest chunks that nobody has claimed; `done` or `release` is to follow.

        Args:
            most: chunks.
            claim_s: after this time they are free again.
            without: destinations to leave out.
        """
        if not self.path.exists():
            return []
        now_ms = clock.now_ms()
        with self._transaction() as db:
            found = db.execute(schema.WAITING, (self._prefix, now_ms, json.dumps(list(without)), most)).fetchall()
            until_ms = now_ms + int(claim_s * 1_000)
            db.executemany(schema.CLAIM, [(until_ms, now_ms + self._dedupe_ms, row[1]) for row in found])
        return [_chunk(row, self._codec) for row in found]

    def done(self, chunks: Iterable[Chunk]) -> None:
        """Redis has these chunks: remove them."""
        with self._transaction() as db:
            db.executemany(schema.DELETE, [(chunk.chunk_id,) for chunk in chunks])

    def release(self, chunks: Iterable[Chunk]) -> None:
        """Give chunks back, in the doubt that they have now."""
        with self._transaction() as db:
            db.executemany(schema.RELEASE, [(chunk.doubtful_from_ms, chunk.chunk_id) for chunk in chunks])

    def has_some(self) -> bool:
        """Whether any chunk waits; costs microseconds."""
        return self._has(schema.ANY)

    def count(self) -> Spilled:
        """What waits."""
        if not self.path.exists():
            return Spilled(0, 0, 0, None)
        with self._opened() as db:
            return Spilled(*db.execute(schema.COUNT, (self._prefix,)).fetchone())

    def note_drops(self, drops: dict[tuple[str, str], int]) -> None:
        """Keep counts of dropped events, by destination and reason, until somebody can tell the ledger."""
        with self._transaction() as db:
            db.executemany(schema.NOTE_DROP, [(self._prefix, *which, events) for which, events in drops.items()])

    def take_drops(self) -> dict[tuple[str, str], int]:
        """The counts that were kept; they are no longer kept."""
        if not self._has(schema.ANY_DROPS):
            return {}
        with self._transaction() as db:
            return {(to, why): events for to, why, events in db.execute(schema.TAKE_DROPS, (self._prefix,))}

    def close(self) -> None:
        """Close the file; it can be used again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def hold(self) -> None:
        """See `forks`: no thread is inside SQLite while the process forks."""
        self._held = self._lock.acquire(timeout=forks.HOLD_S)

    def go_on(self) -> None:
        """See `forks`."""
        if self._held:
            self._lock.release()

    def begin_anew(self) -> None:
        """See `forks`."""
        self._lock = threading.Lock()
        if self._db is not None:
            _abandoned.append(self._db)
            self._db = None

    def _has(self, query: str) -> bool:
        if not self.path.exists():
            return False
        with self._opened() as db:
            return db.execute(query, (self._prefix,)).fetchone() is not None

    @contextmanager
    def _transaction(self, spare_pages: int = schema.SPARE_PAGES) -> Iterator[sqlite3.Connection]:
        with self._opened() as db:
            db.execute(f"PRAGMA max_page_count = {self._max_pages + spare_pages}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite rolls back by itself when the disk is full
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        lock = self._lock
        if not lock.acquire(timeout=BUSY_S):
            raise _refusal(self.path, TimeoutError("its disk does not answer"))
        try:
            if self._db is None:
                self._db = schema.open_file(self.path, BUSY_S)
            yield self._db
        except (OSError, sqlite3.Error) as error:
            raise _refusal(self.path, error) from None
        finally:
            lock.release()


def spill_file(settings: Settings) -> SpillFile | None:
    """The one that the settings name; None when there is to be none."""
    if settings.spill_file is None:
        return None
    return SpillFile(
        settings.spill_file,
        max_bytes=settings.spill_max_bytes,
        key_prefix=settings.key_prefix,
        dedupe_ttl_s=settings.dedupe_ttl_s,
        codec=codec_for(settings),
    )


def _columns(chunk: Chunk, codec: BodyCodec) -> tuple[str | int | bytes, ...]:
    members = chunk.members
    head = (chunk.chunk_id, chunk.destination, chunk.source, chunk.at_ms)
    body = codec.write(members.joined)
    return (*head, members.count, chunk.doubtful_from_ms, body, " ".join(members.traceparents))


def _chunk(row: Sequence[Any], codec: BodyCodec) -> Chunk:
    to, name, body, events, parents, *rest = row
    return Chunk(to, name, Members(codec.read(body), events, tuple(parents.split())), *rest)


def _refusal(path: Path, error: Exception) -> SpillFull | SpillUnavailable:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return SpillFull(f"the spill file {path} is full: raise FORWARDER_SPILL_MAX_BYTES, or make room on its disk")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SpillUnavailable(
        f"the spill file {path} cannot be used ({reason}): make its folder writable, or set FORWARDER_SPILL_PATH"
    )
