"""What operators and their machines ask: is the process alive, is the queue ready, how do the books stand."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

from forwarder import clock
from forwarder.answers import Reply, error_reply, json_reply
from forwarder.errors import ForwarderError, QueueUnavailable
from forwarder.ingest.asgi import Headers, Receive
from forwarder.ingest.errors import RETRY
from forwarder.ingest.metrics import CONTENT_TYPE, Scene, exposition
from forwarder.queue.connection import AWAY, AsyncClient, connect_async, control_url
from forwarder.queue.ledger import Snapshot, snapshot, total
from forwarder.queue.partitions import found_async
from forwarder.queue.scripts import run_async
from forwarder.queue.standing import Standing, count_workers, read_standing
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings
from forwarder.version import own_version

Answer = TypeVar("Answer")

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
        self._control = client if settings.control_url is None else connect_async(settings, control_url(settings))
        self._reading: asyncio.Task[Scene] | None = None

    async def close(self) -> None:
        """Let the connections go that are its own."""
        if self._control is not self._client:
            await self._control.aclose()

    async def health(self, _: Headers, __: Receive) -> Reply:
        """200 while the process can answer."""
        return json_reply({"status": "ok"})

    async def ready(self, _: Headers, __: Receive) -> Reply:
        """200 when Redis answers and every backlog is under its cap."""
        try:
            books = await self._in_time(self._books())
        except ForwarderError:
            return error_reply(503, "the queue cannot be reached", headers=RETRY)
        cap = self._settings.backlog_max_events
        full = [name for name, one in books.items() if one["pending"] >= cap]
        if full:
            message = f"the backlog of {', '.join(full)} has reached FORWARDER_BACKLOG_MAX_EVENTS ({cap})"
            return error_reply(503, message, headers=RETRY)
        return json_reply({"status": "ready", "pending": {name: one["pending"] for name, one in books.items()}})

    async def metrics(self, _: Headers, __: Receive) -> Reply:
        """The books of all destinations for Prometheus; those who ask together share one reading of them."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._scene())
        return Reply(200, exposition(await asyncio.shield(self._reading)), content_type=CONTENT_TYPE)

    async def _scene(self) -> Scene:
        standings, workers = None, None
        with contextlib.suppress(ForwarderError):
            standings = await self._in_time(self._standings())
            workers = await self._in_time(self._workers())
        now_ms = clock.now_ms()
        return Scene(standings, self._settings.backlog_max_events, workers, own_version(), now_ms)

    async def _in_time(self, reading: Awaitable[Answer]) -> Answer:
        """What is read, unless it takes too long.

        Raises:
            QueueUnavailable: Redis does not answer, or refuses us.
        """
        try:
            async with asyncio.timeout(min(WITHIN_S, self._settings.redis_timeout_s)):
                with queue_errors(self._settings):
                    return await reading
        except TimeoutError:
            raise QueueUnavailable(f"Redis did not answer within {WITHIN_S:g} s") from None

    async def _books(self) -> dict[str, Snapshot]:
        return {name: await self._books_of(name) for name in self._settings.destination_names}

    async def _books_of(self, destination: str) -> Snapshot:
        partitions = await found_async(self._client, self._settings, destination)
        return total([await run_async(self._client, snapshot(keys)) for keys in partitions])

    async def _standings(self) -> dict[str, Standing]:
        return {name: await self._standing(name) for name in self._settings.destination_names}

    async def _standing(self, destination: str) -> Standing:
        return await read_standing(self._client, await found_async(self._client, self._settings, destination))

    async def _workers(self) -> int | None:
        try:
            return await count_workers(self._control, time.time())
        except AWAY:  # RQ's own server; the queue's has just answered
            return None
