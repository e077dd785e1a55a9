"""A counting semaphore whose limit may change while it is in use."""

import asyncio
from collections import deque
from types import TracebackType


class Permits:
    """Interim."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_use = 0
        self._peak = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._grant()

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def take_peak(self) -> int:
        peak, self._peak = max(self._peak, self.in_use), self.in_use
        return peak

    async def __aenter__(self) -> None:
        if self.in_use < self._limit and not self._waiters:
            self._take()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release()
            else:
                self._waiters.remove(waiter)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _take(self) -> None:
        self.in_use += 1
        self._peak = max(self._peak, self.in_use)

    def _release(self) -> None:
        self.in_use -= 1
        self._grant()

    def _grant(self) -> None:
        while self._waiters and self.in_use < self._limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._take()
                waiter.set_result(None)
