"""How many may do something at once, when that number changes meanwhile."""

import asyncio
from collections import deque
from types import TracebackType


class Permits:
    """A counting semaphore whose limit may change while it is in use; first come, first served.

    A limit below what is in use takes nothing away: no permit is given until enough have come back. With a limit of 0
    all wait.

    Args:
        limit: permits that may be in use at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_use = 0
        self._peak = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Permits that may be in use at once."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._give()

    @property
    def in_use(self) -> int:
        """Permits in use."""
        return self._in_use

    @property
    def waiting(self) -> int:
        """Who waits for a permit."""
        return len(self._waiters)

    def take_peak(self) -> int:
        """The most that were in use since it was last asked."""
        peak, self._peak = self._peak, self._in_use
        return peak

    def take_now(self) -> bool:
        """Take a permit if one is free and nobody waits for it; it is to be given back by `give_back`."""
        if self._waiters or self._in_use >= self._limit:
            return False
        self._in_use += 1
        self._peak = max(self._peak, self._in_use)
        return True

    async def __aenter__(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._give()
        try:
            await waiter
        except BaseException:  # cancelled, or its loop ends
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled():  # it was given a permit in the same moment
                self.give_back()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()

    def give_back(self) -> None:
        """It is in use no more."""
        self._in_use -= 1
        self._give()

    def _give(self) -> None:
        """Give what is free to those who have waited longest; it is in use from here on, not only when they run."""
        while self._waiters and self._in_use < self._limit:
            waiter = self._waiters.popleft()
            if waiter.done():  # cancelled, and has not run since
                continue
            self._in_use += 1
            self._peak = max(self._peak, self._in_use)
            waiter.set_result(None)
