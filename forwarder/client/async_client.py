"""AsyncFeedbackClient: the same for asyncio.

Nothing here belongs to a loop: buffered events are brought to the queue by the same two threads, so that loops may come
and go, and what has to wait (a direct append, a flush) waits in a thread of the loop's executor.
"""

import asyncio
from collections.abc import AsyncIterable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from forwarder.client.client import FLUSH_S, FeedbackClient
from forwarder.client.outcome import FlushResult
from forwarder.client.resource import AsyncFeedback

if TYPE_CHECKING:  # as in `client`
    from forwarder.client.courier import Overflow
    from forwarder.client.drops import OnDrop
    from forwarder.redis_settings import Durability
    from forwarder.settings import Settings

MANY: Final = 500
"""Events that `send_many` hands over before it lets others have the loop."""


class AsyncFeedbackClient:
    """Sends feedback to the queue from coroutines; arguments and errors are those of `FeedbackClient`.

    >>> import asyncio
    >>> from forwarder import AsyncFeedbackClient
    >>> async def handler() -> None:
    ...     async with AsyncFeedbackClient(source="checkout") as client:
    ...         await client.send(trace_id="trace-1", value=5, text="spot on")
    ...         print(await client.flush(timeout_s=2))
    >>> asyncio.run(handler())
    FlushResult(appended=1, spilled=0, dropped=0, refused=0, pending=0)
    """

    def __init__(
        self,
        *,
        source: str = "",
        destination: str = "default",
        mode: Literal["buffered", "direct"] = "buffered",
        durability: "Durability | None" = None,
        on_invalid: Literal["raise", "log"] = "raise",
        overflow: "Overflow" = "spill",
        block_s: float = 1.0,
        on_drop: "OnDrop | None" = None,
        settings: "Settings | None" = None,
    ) -> None:
        self._client = FeedbackClient(
            source=source,
            destination=destination,
            mode=mode,
            durability=durability,
            on_invalid=on_invalid,
            overflow=overflow,
            block_s=block_s,
            on_drop=on_drop,
            settings=settings,
        )
        self._waits = mode == "direct" or overflow == "block"
        self.feedback = AsyncFeedback(self.send_all)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(
        self,
        *,
        trace_id: str,
        value: int,
        weight: float | None = None,
        text: str | None = None,
        metadata: dict[str, Any] | None = None,
        destination: str | None = None,
    ) -> None:
        """Send one event; see `FeedbackClient.send`."""
        event: dict[str, Any] = {"trace_id": trace_id, "value": value, "weight": weight, "text": text}
        if self._waits:
            await asyncio.to_thread(self._client.send, **event, metadata=metadata, destination=destination)
        else:
            self._client.send(**event, metadata=metadata, destination=destination)

    async def thumbs_up(self, trace_id: str, text: str | None = None, *, destination: str | None = None) -> None:
        """Send value 1; raises as `send`."""
        await self.send(trace_id=trace_id, value=1, text=text, destination=destination)

    async def thumbs_down(self, trace_id: str, text: str | None = None, *, destination: str | None = None) -> None:
        """Send value -1; raises as `send`."""
        await self.send(trace_id=trace_id, value=-1, text=text, destination=destination)

    async def send_many(
        self,
        events: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        destination: str | None = None,
    ) -> int:
        """Send many events, from an iterable or an asynchronous one; see `FeedbackClient.send_many`."""
        sent = 0
        chunk: list[dict[str, Any]] = []
        async for event in _each(events):
            chunk.append(event)
            if len(chunk) == MANY:
                sent += await self._send_chunk(chunk, destination)
                chunk = []
        return sent + await self._send_chunk(chunk, destination)

    async def send_all(self, events: Sequence[dict[str, Any]], *, destination: str | None = None) -> bool:
        """Send many events, or none when one of them breaks the model; see `FeedbackClient.send_all`."""
        if self._waits:
            return await asyncio.to_thread(self._client.send_all, events, destination=destination)
        return self._client.send_all(events, destination=destination)

    async def flush(self, timeout_s: float = FLUSH_S) -> FlushResult:
        """Wait until everything that was sent is in Redis or in the spill file; see `FeedbackClient.flush`."""
        return await asyncio.to_thread(self._client.flush, timeout_s)

    async def close(self, timeout_s: float = FLUSH_S) -> FlushResult:
        """Flush and end; see `FeedbackClient.close`."""
        return await asyncio.to_thread(self._client.close, timeout_s)

    async def _send_chunk(self, events: list[dict[str, Any]], destination: str | None) -> int:
        if self._waits:
            return await asyncio.to_thread(self._client.send_many, events, destination=destination)
        sent = self._client.send_many(events, destination=destination)
        await asyncio.sleep(0)
        return sent


async def _each(events: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]]) -> AsyncIterable[dict[str, Any]]:
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event
