"""A destination's rate limit, as one drain keeps to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from forwarder.queue.connection import AsyncClient
from forwarder.queue.keys import Keys
from forwarder.queue.rate import book
from forwarder.queue.scripts import run_async
from forwarder.upstream_settings import Upstream
from workers.patience import patiently
from workers.permits import Permits
from workers.session import Session


class RateLimit:
    """Makes the requests of one drain wait for their moments, which the whole fleet shares.

    Args:
        client: of the queue.
        keys: of the destination.
        session: ends all waiting.
        upstream: its limits.

    Attributes:
        limits: whether there is any limit.
    """

    def __init__(self, client: AsyncClient, keys: Keys, session: Session, upstream: Upstream) -> None:
        self._client = client
        self._keys = keys
        self._session = session
        self._per_s = upstream.rate_requests_per_s, upstream.rate_events_per_s
        self._booking = asyncio.Lock()
        self.limits = any(self._per_s)

    @contextlib.asynccontextmanager
    async def permit(self, permits: Permits, events: int) -> AsyncIterator[None]:
        """A permit, at the moment that the limit allows.

        The next one waits until this one has its permit: requests that wait for the rate must not look like requests
        in flight.

        Args:
            permits: of requests at once.
            events: in the request.

        Raises:
            HandBack: the session ended first.
        """
        async with contextlib.AsyncExitStack() as held:
            async with self.turn(events):
                await held.enter_async_context(permits)
            yield

    @contextlib.asynccontextmanager
    async def turn(self, events: int) -> AsyncIterator[None]:
        """Wait for the moment of a request; the next one's is not booked before the caller leaves.

        Only one waits at a time, because what a session that ends has booked is lost.

        Args:
            events: in the request.

        Raises:
            HandBack: the session ended first.
        """
        if not self.limits:
            yield
            return
        async with self._booking:
            self._session.go_on()
            step = book(self._keys, *self._per_s, events)
            await self._session.sleep(await patiently(self._session, lambda: run_async(self._client, step)))
            yield
