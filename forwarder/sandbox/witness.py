"""What arrived, read: each query in a thread and on a connection of its own, so that requests go on being taken."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from forwarder.sandbox.scores import summarise

TIMES_CHUNK: Final = 10_000
ARRIVALS_PER_TRACE: Final = 100

_Answer = TypeVar("_Answer")

_SELECTED: Final = (
    "(:trace_id IS NULL OR trace_id = :trace_id) AND trace_id >= :prefix AND trace_id < CAST(:end AS TEXT)"
)
_ARRIVALS: Final = f"""
WITH page AS MATERIALIZED (
  SELECT trace_id, count(*) AS times FROM events WHERE trace_id > :after AND {_SELECTED}
  GROUP BY trace_id ORDER BY trace_id LIMIT :limit),
ranked AS (
  SELECT page.times, events.*, row_number() OVER (PARTITION BY trace_id ORDER BY id) AS rank
  FROM events CROSS JOIN page USING (trace_id)) -- CROSS: events are read once, and looked up in the page
SELECT trace_id, times, ranked.id, batch, position, at, idempotency_key, value, weight, event
FROM ranked CROSS JOIN requests ON number = batch WHERE rank <= {ARRIVALS_PER_TRACE} ORDER BY trace_id, ranked.id
"""  # noqa: S608 - made of constants
_REQUESTS: Final = """
SELECT number, at, method, path, status, stored AS events, bytes, idempotency_key, fault
FROM requests ORDER BY number DESC LIMIT ?
"""
_TOTALS: Final = "SELECT count(*), count(nullif(stored, 0)), coalesce(sum(stored), 0), max(number) FROM requests"
_DISTINCT: Final = "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY {column})"  # 4 times as fast as count(DISTINCT)


class Witness:
    """The reading side of a store's file."""

    def __init__(self, path: Path, id_prefix: str) -> None:
        self._uri = f"file:{quote(str(path))}?mode=ro"
        self._id_prefix = id_prefix
        self._open: set[sqlite3.Connection] = set()
        self._counted: tuple[int | None, dict[str, int]] = (None, {})

    def interrupt(self) -> None:
        """Break off all queries that run."""
        for db in tuple(self._open):
            db.interrupt()

    async def counts(self, *, distinct: bool) -> dict[str, int]:
        """How much arrived; the distinct numbers cost a look at every event, unless nothing came since the last."""
        return await self._ask(lambda db: self._count(db, distinct=distinct))

    async def requests(self, limit: int) -> list[dict[str, Any]]:
        """The latest requests, the latest first."""
        return await self._ask(lambda db: [dict(row) for row in db.execute(_REQUESTS, (limit,))])

    async def arrivals(self, trace_id: str | None, prefix: str, after: str, limit: int) -> list[dict[str, Any]]:
        """Trace ids in their order, how often each arrived, and its first arrivals."""
        wanted = {"trace_id": trace_id, "after": after, "limit": limit, **_range(prefix)}
        return await self._ask(lambda db: self._by_trace(db.execute(_ARRIVALS, wanted)))

    async def summary(self, group_by: str, limit: int) -> dict[str, Any]:
        """The scores of each group."""
        return await self._ask(lambda db: summarise(db, group_by, limit))

    async def times_arrived(self, prefix: str) -> AsyncGenerator[dict[str, int]]:
        """How often each trace id arrived, in chunks."""
        sql = f"SELECT trace_id, count(*) FROM events WHERE {_SELECTED} GROUP BY trace_id"  # noqa: S608 - as above
        with self._connection() as db:
            cursor = await asyncio.to_thread(db.execute, sql, {"trace_id": None, **_range(prefix)})
            while rows := await asyncio.to_thread(cursor.fetchmany, TIMES_CHUNK):
                yield dict(map(tuple, rows))

    async def _ask(self, query: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        with self._connection() as db:
            return await asyncio.to_thread(query, db)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._uri, uri=True, check_same_thread=False)) as db:
            db.row_factory = sqlite3.Row
            self._open.add(db)
            try:
                yield db
            finally:
                self._open.discard(db)

    def _count(self, db: sqlite3.Connection, *, distinct: bool) -> dict[str, int]:
        db.execute("BEGIN")  # all numbers from one moment
        requests, batches, events, latest = db.execute(_TOTALS).fetchone()
        totals = {"requests": requests, "batches": batches, "events": events}
        if not distinct:
            return totals
        known, found = self._counted
        if latest is None or latest != known:
            trace_ids, bodies = (
                db.execute(_DISTINCT.format(column=column)).fetchone()[0] for column in ("trace_id", "event")
            )
            found = {"distinct_trace_ids": trace_ids, "duplicates": events - bodies}
            self._counted = (latest, found)
        return totals | found

    def _by_trace(self, rows: sqlite3.Cursor) -> list[dict[str, Any]]:
        traces: dict[str, dict[str, Any]] = {}
        for row in rows:
            trace = traces.setdefault(
                row["trace_id"], {"trace_id": row["trace_id"], "times": row["times"], "arrivals": []}
            )
            arrival = {"feedback_id": f"{self._id_prefix}{row['id']:012x}", "event": msgspec.Raw(row["event"].encode())}
            plain = ("batch", "position", "at", "idempotency_key", "value", "weight")
            trace["arrivals"].append(arrival | {name: row[name] for name in plain})
        return list(traces.values())


def _range(prefix: str) -> dict[str, str | bytes]:
    """The bounds of all texts that begin so: 0xff is above every byte of UTF-8."""
    return {"prefix": prefix, "end": prefix.encode() + b"\xff"}
