"""Pools of connections to the primary that Sentinels name; after a fail-over they lead to the new one.

redis-py's own pool of this kind refuses who finds all its connections in use; ours lets them wait, as with one server.
"""

from typing import Any, Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from forwarder.queue.address import SentinelAddress

ASK_S: Final = 1.0
"""For an answer of a Sentinel; the next one is asked then."""


class Pool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """For threads."""


class AsyncPool(AsyncSentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """For an asyncio loop."""


def pool(address: SentinelAddress, tls: dict[str, Any], options: dict[str, Any]) -> Pool:
    """Connections to the primary.

    Args:
        address: whom to ask.
        tls: files of a TLS connection, as redis-py names them; used when the address wants TLS.
        options: of the pool and its connections.
    """
    asked = {**_asking(address, tls), "retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel(address.sentinels, sentinel_kwargs=asked)
    return Pool(address.service, sentinel, **_serving(address, tls), **options)  # type: ignore[no-untyped-call] # redis-py's


def async_pool(address: SentinelAddress, tls: dict[str, Any], options: dict[str, Any]) -> AsyncPool:
    """The same for one asyncio loop."""
    asked = {**_asking(address, tls), "retry": AsyncRetry(NoBackoff(), 0)}
    sentinel = AsyncSentinel(address.sentinels, sentinel_kwargs=asked)
    return AsyncPool(address.service, sentinel, **_serving(address, tls), **options)  # type: ignore[no-untyped-call] # redis-py's


def _asking(address: SentinelAddress, tls: dict[str, Any]) -> dict[str, Any]:
    return {
        "username": address.sentinel_username,
        "password": address.sentinel_password,
        "socket_timeout": ASK_S,
        "socket_connect_timeout": ASK_S,
        **_tls(address, tls),
    }


def _serving(address: SentinelAddress, tls: dict[str, Any]) -> dict[str, Any]:
    login = {"username": address.username, "password": address.password, "db": address.db}
    return {**login, **_tls(address, tls)}


def _tls(address: SentinelAddress, tls: dict[str, Any]) -> dict[str, Any]:
    return {"ssl": True, **tls} if address.tls else {}
