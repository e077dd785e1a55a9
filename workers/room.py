"""How many batches a drain holds: enough to keep its requests going, and never more memory than is good for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from workers.batch import Batch
from workers.session import Session

BYTES_MAX: Final = 33_554_432
"""Of all bodies held, also of those that wait for their next try; a body is in memory about three times."""
HELD_MAX: Final = 2_000
"""Batches held, also of those that wait for their next try: small ones have tasks and entries too."""
PER_PERMIT: Final = 2
"""Batches held per request that may be in flight: one is sent while the next is made ready."""
LEAST: Final = 2


class Room:
    """Where the batches of a drain are held; full, it keeps fresh ones out.

    Args:
        session: ends waiting when the drain ends.
        share: how many requests may be in flight now.
    """

    def __init__(self, session: Session, share: Callable[[], int]) -> None:
        self._session = session
        self._share = share
        self._held = 0
        self._active = 0
        self._bytes = 0
        self._left = asyncio.Event()

    async def enter(self, batch: Batch) -> None:
        """Wait until there is room for a batch; one too large for any room comes in alone.

        Raises:
            HandBack: the session ended first.
        """
        while self._bytes and not self._fits(batch):
            self._left.clear()
            await self._session.unless_over(self._left.wait())
        self._held += 1
        self._active += 1
        self._bytes += len(batch.body)
        self._session.in_flight += 1

    def leave(self, batch: Batch) -> None:
        """A batch has its outcome."""
        self._held -= 1
        self._active -= 1
        self._bytes -= len(batch.body)
        self._session.in_flight -= 1
        self._left.set()

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """While a batch waits for its next try, a fresh one may take its place; it still counts."""
        self._active -= 1
        self._left.set()
        try:
            yield
        finally:
            self._active += 1

    def _fits(self, batch: Batch) -> bool:
        most = max(LEAST, PER_PERMIT * self._share())
        fits = self._held < HELD_MAX and self._bytes + len(batch.body) <= BYTES_MAX
        return fits and self._active < most
