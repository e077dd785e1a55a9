"""What comes while one step runs goes together in the next: one round trip for many, and none waits for a clock."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Hands items to a step, as many at once as have come.

    Args:
        step: does a few of them, and answers one result for each, in their order. It may be told to go on for ever:
            `wanted` says whether anybody still waits.
        weight: of an item.
        most: weight of one step, unless a single item has more.
    """

    def __init__(
        self,
        step: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        weight: Callable[[Item], int] = lambda _: 1,
        most: int,
    ) -> None:
        self._step = step
        self._weight = weight
        self._most = most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def done(self, item: Item) -> Result:
        """Have an item done; raises what the step raised. Cancelled, it may yet be done, unless that had not begun."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future  # it is cancelled with who waits for it

    async def end(self) -> None:
        """Break off what still runs: nobody waits for it any more."""
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while share := self._share():
                await self._do(share)
        finally:
            self._running = None

    def _share(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        share: list[tuple[Item, asyncio.Future[Result]]] = []
        weight = 0
        while self._waiting:
            item, future = self._waiting[0]
            if future.done():  # cancelled
                self._waiting.popleft()
                continue
            weight += self._weight(item)
            if share and weight > self._most:
                break
            share.append(self._waiting.popleft())
        return share

    async def _do(self, share: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._step([item for item, _ in share])
        except Exception as error:  # each of those who wait has to know
            for _, future in share:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(share, results, strict=True):
            if not future.done():
                future.set_result(result)
