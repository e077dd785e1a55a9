"""New entries of one stream: what is there by now, or the first that comes.

A batch that lingers is due to the millisecond, and a blocking read of Redis is not: the server looks at its timeouts as
often as its `hz` says, ten times a second by default, so that 50 ms would be 100. So the read stays under way while its
reader does something else, and what it hands out comes with the next call.
"""

import asyncio

from forwarder.queue import stream
from forwarder.queue.columns import Columns, read_columns
from forwarder.queue.connection import BLOCK_MAX_MS, AsyncClient
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from forwarder.queue.stream import Raw
from workers.singles import may_follow

Read = Columns | list[Raw]


class Reader:
    """Reads for one drain.

    Args:
        client: of the queue.
        keys: of the partition.
        token: of the drain.
        idle_s: longest wait, when that is less than what a client waits for anything.
        max_bytes: see `read_columns`.
    """

    def __init__(self, client: AsyncClient, keys: Keys, token: str, *, idle_s: float, max_bytes: int) -> None:
        self._client = client
        self._keys = keys
        self._token = token
        self._block_ms = max(1, round(min(BLOCK_MAX_MS, idle_s * 1000)))
        self._max_bytes = max_bytes
        self._by_columns = False
        self._under_way: asyncio.Task[list[Raw]] | None = None

    async def next(self, room: int, wait_s: float) -> Read:
        """At most `room` entries, for the first of which it waits so long, or about a second; raises as redis-py."""
        if self._by_columns:
            columns = await run_async(self._client, read_columns(self._keys, self._token, room, self._max_bytes))
            if columns:
                return columns
            self._by_columns = False
        if self._under_way is None:
            reading = stream.read(self._client, self._keys, self._token, room, self._block_ms)
            self._under_way = asyncio.create_task(reading)
        await asyncio.wait([self._under_way], timeout=None if wait_s == float("inf") else max(0.0, wait_s))
        if not self._under_way.done():
            return []
        done, self._under_way = self._under_way, None
        raws = done.result()
        self._by_columns = may_follow(raws)
        return raws

    def one_by_one(self) -> None:
        """Columns are of no use for what comes now."""
        self._by_columns = False

    async def end(self) -> None:
        """Break off what is under way; what it was handed nevertheless stays pending, and the next drain finds it."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)  # whatever it says, nobody asks any more
