"""Where the groups go: one append each, repeated with the same chunk id while Redis may come back."""

import asyncio
from typing import Final

from redis.exceptions import TimeoutError as RedisTimeoutError

from forwarder.errors import QueueFull, QueueUnavailable
from forwarder.feedback import Members
from forwarder.ingest.auth import Caller
from forwarder.log import get_logger
from forwarder.queue.connection import AWAY, AsyncClient, queue_errors
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step, run_async
from forwarder.queue.stream import append, new_chunk_id
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
        self._client = client
        self._log = get_logger()
        self._trouble = ""

    async def append(self, caller: Caller, members: Members) -> None:
        """Append events as one entry, as a whole or not at all.

        Raises:
            QueueFull: a cap is reached; nothing is stored.
            QueueUnavailable: Redis did not say in FORWARDER_REDIS_TIMEOUT_S that it has them.
        """
        keys = Keys(caller.destination, prefix=self._settings.key_prefix)
        step = append(keys, members, chunk_id=new_chunk_id(), source=caller.source, caps=self._settings.caps)
        try:
            with queue_errors(self._settings):
                await self._insist(step)
        except (QueueFull, QueueUnavailable) as error:
            self._note(str(error))
            raise
        self._note("")

    async def _insist(self, step: Step[str]) -> None:
        try:
            async with asyncio.timeout(self._settings.redis_timeout_s):
                while True:
                    try:
                        await run_async(self._client, step)
                    except AWAY:
                        await asyncio.sleep(RETRY_S)
                    else:
                        return
        except TimeoutError:
            raise RedisTimeoutError(f"no answer within {self._settings.redis_timeout_s:g} s") from None

    def _note(self, trouble: str) -> None:
        """Say once when appends begin to fail, and once when they succeed again."""
        if trouble and not self._trouble:
            self._log.warning("appends_refused", reason=trouble, next="requests are answered 503 until it is over")
        elif self._trouble and not trouble:
            self._log.info("appends_taken_again")
        self._trouble = trouble
