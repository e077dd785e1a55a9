"""One HTTP client per drain: a body goes out, an `Answer` comes back, whatever happens."""

import asyncio
from types import TracebackType
from typing import Final, Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from forwarder.key_settings import MASK, masked
from forwarder.upstream_settings import Upstream
from forwarder.version import own_version
from workers.coding import coder, coding_headers
from workers.key import Key
from workers.request import Posts
from workers.verdict import Answer

ANSWER_MAX_BYTES: Final = 1_048_576
"""Enough for the ids of 10,000 events; the rest of a longer answer is not read."""
HEADERS: Final = {
    "accept": "*/*",
    "accept-encoding": "gzip, deflate",
    "content-type": "application/json",
    "user-agent": f"feedback-forwarder/{own_version()}",
}

_UNUSED: Final = httpx.create_ssl_context(verify=False)
"""The TLS of a session that the transport would make; ours verifies, and has loaded the authorities already."""
_NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""No connection was made. httpx's names do not tell: the transport calls a dropped connection ConnectTimeout, too."""


class Sender:
    """Posts bodies to one upstream.

    httpx over aiohttp's connection pool: with 500-event bodies and 16 in flight it costs about a third of the CPU of
    httpx's own pool, and less again without the client around the transport (see `request`). Redirects are never
    followed and cookies never kept, so the key goes to the base URL only; proxy variables of the environment are
    ignored.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._timeout_s = upstream.request_timeout_s
        self._connections = max(upstream.concurrency_max, upstream.concurrency or 0)
        self._key = Key(upstream)
        self._coded = coder(upstream.content_encoding)
        headers = HEADERS | coding_headers(upstream.content_encoding)
        self._posts = Posts(upstream.url, headers, httpx.Timeout(self._timeout_s, connect=upstream.connect_timeout_s))

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=60, keepalive_timeout=30)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._transport = AiohttpTransport(client=session, verify=_UNUSED)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def post(self, body: bytes, key: str) -> Answer:
        """Send a body once.

        Args:
            body: a JSON array of events.
            key: the Idempotency-Key.
        """
        self._key.renew()
        try:
            async with asyncio.timeout(self._timeout_s):  # of the whole answer, which a slow drip would never reach
                return await self._exchange(body, key)
        except TimeoutError:
            return Answer(None, failure=f"no answer within {self._timeout_s:g} s", timed_out=True)
        except Exception as error:  # whatever it is, also a fault of ours: counted and retried like a 5xx
            cause = error.__cause__ or error
            words = masked(f"{type(cause).__name__}: {cause}".rstrip(": "), self._key.secrets)
            reached, timed_out = not isinstance(cause, _NOT_SENT), isinstance(cause, TimeoutError)
            return Answer(None, failure=words, reached=reached, timed_out=timed_out)

    async def _exchange(self, body: bytes, key: str) -> Answer:
        headers = {**self._key.headers, "idempotency-key": key}
        response = await self._transport.handle_async_request(self._posts.request(self._coded(body), headers))
        try:
            text = await _text(response)
        finally:
            await response.aclose()
        for secret in self._key.secrets:  # an upstream may echo the key; it must not end up in a dead letter
            text = text.replace(secret.encode(), MASK.encode())
        return Answer(response.status_code, text, response.headers.get("retry-after"))


async def _text(response: httpx.Response) -> bytes:
    """The answer's body, inflated, and no more of it than is looked at."""
    received = bytearray()
    async for part in response.aiter_bytes():
        received += part
        if len(received) > ANSWER_MAX_BYTES:
            break
    return bytes(received[:ANSWER_MAX_BYTES])
