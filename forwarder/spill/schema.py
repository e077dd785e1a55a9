"""The spill file's tables, the statements on them, and how it is opened."""

import os
import sqlite3
from pathlib import Path
from typing import Final

VERSION: Final = 1
PAGE_BYTES: Final = 4_096
LEAST_PAGES: Final = 64
"""What an empty file needs, and a first chunk."""
SPARE_PAGES: Final = 1_024
"""What taking out may need beyond the cap: a claim makes a row a little longer."""

TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS chunks (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  key_prefix TEXT NOT NULL,
  chunk_id TEXT NOT NULL UNIQUE,
  destination TEXT NOT NULL,
  source TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  events INTEGER NOT NULL,
  doubtful_from_ms INTEGER NOT NULL,
  claimed_until_ms INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL,
  traceparents TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS by_age ON chunks (key_prefix, at_ms, number);
CREATE TABLE IF NOT EXISTS drops (
  key_prefix TEXT NOT NULL,
  destination TEXT NOT NULL,
  reason TEXT NOT NULL,
  events INTEGER NOT NULL,
  PRIMARY KEY (key_prefix, destination, reason)) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""

OLDER: Final = """
SELECT NOT EXISTS (SELECT 1 FROM pragma_table_info('chunks') WHERE name = 'traceparents')"""
"""Whether an earlier release has made the file. It can use it further on: all statements name their columns."""
RENEW: Final = "ALTER TABLE chunks ADD COLUMN traceparents TEXT NOT NULL DEFAULT ''"

PUT: Final = """
INSERT INTO chunks (key_prefix, chunk_id, destination, source, at_ms, events, doubtful_from_ms, body, traceparents)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (chunk_id) DO NOTHING"""

WAITING: Final = """
SELECT destination, chunk_id, body, events, traceparents, source, at_ms, doubtful_from_ms FROM chunks
WHERE key_prefix = ? AND claimed_until_ms <= ? AND destination NOT IN (SELECT value FROM json_each(?))
ORDER BY at_ms, number LIMIT ?"""

CLAIM: Final = """
UPDATE chunks SET claimed_until_ms = ?, doubtful_from_ms = CASE doubtful_from_ms WHEN 0 THEN ? ELSE doubtful_from_ms END
WHERE chunk_id = ?"""

RELEASE: Final = "UPDATE chunks SET claimed_until_ms = 0, doubtful_from_ms = ? WHERE chunk_id = ?"
DELETE: Final = "DELETE FROM chunks WHERE chunk_id = ?"

ANY: Final = "SELECT 1 FROM chunks WHERE key_prefix = ? LIMIT 1"
ANY_DROPS: Final = "SELECT 1 FROM drops WHERE key_prefix = ? LIMIT 1"
COUNT: Final = """
SELECT COUNT(*), COALESCE(SUM(events), 0), COALESCE(SUM(LENGTH(body)), 0), MIN(at_ms)
FROM chunks WHERE key_prefix = ?"""

NOTE_DROP: Final = """
INSERT INTO drops (key_prefix, destination, reason, events) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET events = events + excluded.events"""
TAKE_DROPS: Final = "DELETE FROM drops WHERE key_prefix = ? RETURNING destination, reason, events"


def open_file(path: Path, busy_s: float) -> sqlite3.Connection:
    """Open it for any thread; made with its tables when it is missing, for its user alone.

    Args:
        path: of the file.
        busy_s: how long a statement waits for another process's turn.

    Raises:
        OSError: it may not be written.
        sqlite3.Error: it is none of ours, or its disk fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # what people wrote is nobody else's to read
    db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum = FULL")  # the file shrinks as it is emptied
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        _make_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"it is of another version, {version}")
    if not version:
        db.executescript(TABLES)
    elif _is_older(db):
        db.execute("BEGIN IMMEDIATE")
        if _is_older(db):  # nobody was quicker
            db.execute(RENEW)
        db.execute("COMMIT")


def _is_older(db: sqlite3.Connection) -> bool:
    return bool(db.execute(OLDER).fetchone()[0])
