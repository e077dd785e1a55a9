"""Where everything that arrives is written (SQLite): one transaction per request, before the answer goes out.

No column is indexed. An index on trace ids costs about 12 µs per event, for they come in no order; without one an
event costs 2.4 µs from its bytes to the commit, and grouping by trace id takes half a microsecond per event, in a
thread and only when somebody asks. The write-ahead log is not synced at a commit: a power cut may lose the last
requests, a kill -9 does not.
"""

import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from forwarder.errors import ForwarderError
from forwarder.feedback import Members
from forwarder.sandbox.updates import Update

POSITION_BITS: Final = 20
MAX_POSITIONS: Final = 1 << POSITION_BITS
"""The most events that one request can hold: an event's id is its request's number and its position."""

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
CREATE TABLE identity (prefix TEXT NOT NULL);
CREATE TABLE requests (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
  bytes INTEGER NOT NULL, idempotency_key TEXT, fault TEXT, status INTEGER, stored INTEGER NOT NULL);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, value INTEGER NOT NULL, weight REAL, event TEXT NOT NULL,
  metadata TEXT,
  batch INTEGER AS (id >> {POSITION_BITS}), position INTEGER AS (id & {MAX_POSITIONS - 1}));
PRAGMA user_version = {SCHEMA_VERSION};
"""
"""`metadata` is that of an update; `event` stays as it arrived."""

_FEEDBACK_ID = re.compile(r"(?P<prefix>.{24})(?P<number>[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is kept of a request.

    Attributes:
        at: seconds since the epoch when it arrived.
        method: POST or PUT.
        path: as it was asked for.
        size: bytes of the body.
        idempotency_key: the header of that name.
        fault: the kinds of the faults that befell it.
        status: what was answered; None when there was no answer, or not yet.
    """

    at: float
    method: str
    path: str
    size: int
    idempotency_key: str | None = None
    fault: str | None = None
    status: int | None = None


class _Row(Struct, gc=False):
    trace_id: str
    value: int
    weight: float | None = None


_rows = msgspec.json.Decoder(list[_Row])
_texts = msgspec.json.Decoder(list[msgspec.Raw])


class Store:
    """The writing side; used by one thread.

    Raises:
        ForwarderError: the file cannot be opened, or is not ours.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(path, error) from None
        (self.id_prefix,) = self._db.execute("SELECT prefix FROM identity").fetchone()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def take(self, receipt: Receipt, members: Members) -> tuple[int, list[str]]:
        """Store a request and its events; the request's number and the events' feedback ids, in order."""
        body = b"[" + members.joined + b"]"
        with self._transaction():
            number = self._insert(receipt, members.count)
            first = number << POSITION_BITS
            self._db.executemany(
                "INSERT INTO events (id, trace_id, value, weight, event) VALUES (?, ?, ?, ?, ?)",
                [
                    (id_, row.trace_id, row.value, row.weight, str(text, "utf-8"))
                    for id_, (row, text) in enumerate(zip(_rows.decode(body), _texts.decode(body), strict=True), first)
                ],
            )
        prefix = self.id_prefix
        return number, [f"{prefix}{id_:012x}" for id_ in range(first, first + members.count)]

    def record(self, receipt: Receipt) -> int:
        """Store a request that brought no events in; its number."""
        with self._transaction():
            return self._insert(receipt, 0)

    def update(self, receipt: Receipt, feedback_id: str, new: Update) -> int | None:
        """Store a request that changes feedback; its number, None (and nothing stored) when the id is unknown."""
        id_ = self._row_of(feedback_id)
        with self._transaction():
            changed = self._db.execute(
                "UPDATE events SET value = ?, weight = coalesce(?, weight), metadata = coalesce(?, metadata)"
                " WHERE id = ?",
                (new.value, new.weight, new.metadata, id_),
            )
            return self._insert(receipt, 0) if changed.rowcount else None

    def answered(self, number: int, status: int) -> None:
        """Note the status of an answer that came after its request was stored."""
        self._db.execute("UPDATE requests SET status = ? WHERE number = ?", (status, number))

    def empty(self) -> None:
        """Forget everything that arrived; numbers go on, so no feedback id is given twice."""
        with self._transaction():
            self._db.execute("DELETE FROM events")
            self._db.execute("DELETE FROM requests")

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError("another version of the sandbox wrote it; delete it")
        if version == 0:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
            self._db.execute("INSERT INTO identity VALUES (?)", (str(uuid.uuid4())[:24],))
            self._db.execute("COMMIT")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk may have rolled it back already
                self._db.execute("ROLLBACK")
            raise

    def _insert(self, receipt: Receipt, stored: int) -> int:
        cursor = self._db.execute(
            "INSERT INTO requests (at, method, path, bytes, idempotency_key, fault, status, stored)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                receipt.at,
                receipt.method,
                receipt.path,
                receipt.size,
                receipt.idempotency_key,
                receipt.fault,
                receipt.status,
                stored,
            ),
        )
        return int(cursor.lastrowid or 0)

    def _row_of(self, feedback_id: str) -> int | None:
        match = _FEEDBACK_ID.fullmatch(feedback_id)
        return int(match["number"], 16) if match and match["prefix"] == self.id_prefix else None


def _unusable(path: Path, error: Exception) -> ForwarderError:
    return ForwarderError(f"{path} cannot be used by the sandbox (its folder is FORWARDER_DATA_DIR): {error}")
