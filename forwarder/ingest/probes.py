"""What operators and their machines ask: is the process alive, is the queue ready, how do the books stand."""

import asyncio
import time
from typing import Final

from forwarder.answers import Reply, error_reply, json_reply
from forwarder.errors import QueueUnavailable
from forwarder.ingest.asgi import Headers, Receive
from forwarder.ingest.errors import RETRY
from forwarder.ingest.metrics import CONTENT_TYPE, Standing, exposition
from forwarder.queue.connection import AsyncClient, queue_errors
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import snapshot, total
from forwarder.queue.partitions import found_async
from forwarder.queue.pause import read_pause
from forwarder.queue.scripts import run_async
from forwarder.settings import Settings

WITHIN_S: Final = 2.0
"""A probe is answered before those who ask lose patience."""


class Probes:
    """Answers them.

    Args:
        settings: the destinations, and the cap of the backlog.
        client: of this process's loop.
    """

    def __init__(self, settings: Settings, client: AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def health(self, _: Headers, __: Receive) -> Reply:
        """200 while the process can answer."""
        return json_reply({"status": "ok"})

    async def ready(self, _: Headers, __: Receive) -> Reply:
        """200 when Redis answers and every backlog is under its cap."""
        standings = await self._standings()
        cap = self._settings.backlog_max_events
        full = [name for name, one in standings.items() if one.books["pending"] >= cap]
        if full:
            message = f"the backlog of {', '.join(full)} has reached FORWARDER_BACKLOG_MAX_EVENTS ({cap})"
            return error_reply(503, message, headers=RETRY)
        return json_reply(
            {"status": "ready", "pending": {name: one.books["pending"] for name, one in standings.items()}}
        )

    async def metrics(self, _: Headers, __: Receive) -> Reply:
        """The books of all destinations for Prometheus."""
        body = exposition(await self._standings(), time.time_ns() // 1_000_000)
        return Reply(200, body, content_type=CONTENT_TYPE)

    async def _standings(self) -> dict[str, Standing]:
        try:
            async with asyncio.timeout(min(WITHIN_S, self._settings.redis_timeout_s)):
                with queue_errors(self._settings):
                    return {name: await self._standing(name) for name in self._settings.destination_names}
        except TimeoutError:
            raise QueueUnavailable(f"Redis did not answer within {WITHIN_S:g} s") from None

    async def _standing(self, destination: str) -> Standing:
        keys = Keys(destination, prefix=self._settings.key_prefix)
        partitions = await found_async(self._client, self._settings, destination)
        books = total([await run_async(self._client, snapshot(one)) for one in partitions])
        return Standing(books, read_pause(await self._client.hgetall(keys.pause)) is not None)
