"""What the ingest refuses, counted in memory and brought to the ledger each second.

It costs a refused request nothing but an addition, so that a flood of them is no flood for Redis. What a killed process
had not brought yet is missing; nothing of an event is.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from typing import Final

from forwarder.errors import ForwarderError
from forwarder.queue.connection import AsyncClient
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from forwarder.queue.tally import count_refusals
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings

EVERY_S: Final = 1.0
CLOSE_S: Final = 1.0
"""The process ends after so long, whether Redis has the last counts or not."""


class Refusals:
    """The counts of one process.

    Args:
        settings: whose ledgers.
        client: of this process's loop.
    """

    def __init__(self, settings: Settings, client: AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._ending = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def note(self, destination: str, status: int) -> None:
        """A request was refused.

        Args:
            destination: of its key; `default` when it had none that is known.
            status: of the answer.
        """
        self._counts[destination][status] += 1

    async def close(self) -> None:
        """Bring what there is, unless Redis is away."""
        self._ending.set()
        await asyncio.wait({self._task}, timeout=CLOSE_S)

    async def _run(self) -> None:
        """Until `close`, by a flag: redis-py may turn a cancellation into an error of its own."""
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), EVERY_S)
            await self._bring()

    async def _bring(self) -> None:
        counts, self._counts = self._counts, defaultdict(Counter)
        for destination, requests in counts.items():
            keys = Keys(destination, prefix=self._settings.key_prefix)
            try:
                with queue_errors(self._settings):
                    await run_async(self._client, count_refusals(keys, requests))
            except ForwarderError:  # the next time
                self._counts[destination].update(requests)
