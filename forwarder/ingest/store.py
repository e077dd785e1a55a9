"""Where the groups go: one append each, repeated with the same chunk id while Redis may come back."""

import asyncio
from typing import Final

from redis.exceptions import TimeoutError as RedisTimeoutError

from forwarder import clock
from forwarder.errors import QueueFull, QueueUnavailable
from forwarder.feedback import Members
from forwarder.ingest.auth import Caller
from forwarder.log import get_logger
from forwarder.queue.chunk import Chunk
from forwarder.queue.connection import AWAY, AsyncClient
from forwarder.queue.durable import run_durably_async
from forwarder.queue.scripts import Step
from forwarder.queue.stream import new_chunk_id
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings

RETRY_S: Final = 0.1
"""Between two tries of an append."""


class QueueStore:
    """Appends to the queue for one process.

    Args:
        settings: where Redis is, how long to wait for it, and the caps.
        client: of this process's loop.
    """

    def __init__(self, settings: Settings, client: AsyncClient) -> None:
        self._settings = settings
        self._next = "kept on the disk" if settings.ingest_spill else "requests are answered 503 until it is over"
        self._client = client
        self._log = get_logger()
        self._trouble = ""

    async def append(self, caller: Caller, members: Members) -> None:
        """Append events as one entry, as a whole or not at all.

        Raises:
            QueueFull: a cap is reached; nothing is stored.
            QueueUnavailable: Redis did not say in FORWARDER_REDIS_TIMEOUT_S that it has them.
        """
        now_ms = clock.now_ms()
        chunk_id = new_chunk_id(self._settings.partitions_of(caller.destination))
        chunk = Chunk(caller.destination, chunk_id, members, caller.source, now_ms)
        await self.append_chunk(chunk, self._settings.redis_timeout_s)

    async def append_chunk(self, chunk: Chunk, patience_s: float) -> None:
        """Append a chunk; raises as `append`.

        Args:
            chunk: keeps its id over all tries.
            patience_s: how long to try.
        """
        step = chunk.step(self._settings.key_prefix, self._settings.caps, chunk.at_ms)
        try:
            with queue_errors(self._settings):
                await self._insist(step, patience_s)
        except (QueueFull, QueueUnavailable) as error:
            self._note(str(error))
            raise
        self._note("")

    async def _insist(self, step: Step[str], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    try:
                        await run_durably_async(self._client, step, self._settings.durability, patience_s)
                    except AWAY:
                        await asyncio.sleep(RETRY_S)
                    else:
                        return
        except TimeoutError:
            raise RedisTimeoutError(f"no answer within {patience_s:g} s") from None

    def _note(self, trouble: str) -> None:
        """Say once when appends begin to fail, and once when they succeed again."""
        if trouble and not self._trouble:
            self._log.warning("appends_refused", reason=trouble, next=self._next)
        elif self._trouble and not trouble:
            self._log.info("appends_taken_again")
        self._trouble = trouble
