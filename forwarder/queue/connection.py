"""Clients for the queue, from one URL; `address` says which there are.

redis-py's two constructors retry differently (`Redis()` ten times, `from_url()` never), so retries, timeouts and the
pool are set here, explicitly, for every client. Producers and operators repeat a command that got no reply: appends
carry a chunk id, and the other steps can be done twice. Drains do not: a lost reply may have brought entries.
"""

from importlib import import_module
from types import ModuleType
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import BusyLoadingError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from forwarder.paths import DataDir
from forwarder.queue.address import (
    CLUSTER,
    EMBEDDED,
    SENTINEL,
    Node,
    cluster_address,
    is_tls,
    masked,
    node_url,
    scheme,
    sentinel_address,
)
from forwarder.queue.clients import AsyncQueueClient, QueueClient
from forwarder.queue.codec import PLAIN, attach
from forwarder.queue.forms import codec_for
from forwarder.settings import Settings

Client = redis.Redis
AsyncClient = redis.asyncio.Redis
AnyClient = TypeVar("AnyClient", Client, AsyncClient)

BLOCK_MAX_MS: Final = 1_000
"""Longest blocking read; well under any read timeout, which would otherwise break it off."""

AWAY: Final = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, ReadOnlyError)
"""What a client raises while the server is away, is loading its file, or was made a replica; it may come back."""

_RETRIES: Final = 3
_BACKOFF_BASE_S: Final = 0.05
_BACKOFF_CAP_S: Final = 1.0
_MAX_CONNECTIONS: Final = 32
_DRIVER: Final = DriverInfo(lib_version=redis.__version__)
"""What a connection says of itself. By itself each would look redis-py's version up in the files of its package, which
costs it 3 ms of CPU."""
_READ_SIZE: Final = 1_048_576
"""Bytes that an asyncio client takes from its socket at once, if they are there: a drain asks for two million."""


def queue_url(settings: Settings) -> str:
    """The URL that redis-py understands; `embedded` becomes the unix socket in the data folder."""
    if settings.redis_url == EMBEDDED:
        return f"unix://{DataDir(settings.data_dir).socket}"
    return settings.redis_url


def control_url(settings: Settings) -> str:
    """The URL of the server where RQ lives."""
    return settings.control_url or queue_url(settings)


def connect(settings: Settings, url: str | None = None, *, retries: int = _RETRIES) -> Client:
    """A client for threads; connects at its first command.

    Args:
        settings: timeouts, TLS, and the queue's URL.
        url: another server than the queue's.
        retries: of a command that got no reply.
    """
    url = url or queue_url(settings)
    if scheme(url) in CLUSTER:
        return _with_codec(_cluster(settings, url, retries), settings)
    retry = Retry(ExponentialWithJitterBackoff(base=_BACKOFF_BASE_S, cap=_BACKOFF_CAP_S), retries)
    options = {"retry": retry, **_common(settings)}
    pool: redis.ConnectionPool
    if scheme(url) in SENTINEL:
        pool = _sentinel().pool(sentinel_address(url), settings.redis_tls, options)
    else:
        pool = redis.BlockingConnectionPool.from_url(url, **options, **_tls(settings, url))
    return _with_codec(QueueClient(connection_pool=pool), settings)


def connect_async(settings: Settings, url: str | None = None) -> AsyncClient:
    """A client for one asyncio loop; connects at its first command.

    It does not repeat commands by itself: a drain must know that the reply to a read may have been lost.

    Args:
        settings: timeouts, TLS, and the queue's URL.
        url: another server than the queue's.
    """
    from redis.asyncio.retry import Retry as AsyncRetry  # noqa: PLC0415 - a producer without asyncio need not pay it

    url = url or queue_url(settings)
    if scheme(url) in CLUSTER:
        return _with_codec(_cluster_async(settings, url), settings)
    options = {"retry": AsyncRetry(NoBackoff(), 0), "socket_read_size": _READ_SIZE, **_common(settings)}
    pool: redis.asyncio.ConnectionPool
    if scheme(url) in SENTINEL:
        pool = _sentinel().async_pool(sentinel_address(url), settings.redis_tls, options)
    else:
        pool = redis.asyncio.BlockingConnectionPool.from_url(url, **options, **_tls(settings, url))
    return _with_codec(_async_client(pool), settings)


def _async_client(pool: redis.asyncio.ConnectionPool) -> AsyncClient:
    client = AsyncQueueClient.from_pool(pool)  # which is closed with it
    client.set_response_callback("XREADGROUP", _as_it_came)  # a dict per entry costs too much
    return client


def _cluster(settings: Settings, url: str, retries: int) -> Client:
    from forwarder.queue.cluster import ClusterClient  # noqa: PLC0415 - who has one server need not pay it

    address, common = cluster_address(url), {"retry": Retry(NoBackoff(), 0), **_common(settings)}

    def node(at: Node) -> Client:
        options = {"username": address.username, "password": address.password, **common, **_tls(settings, url)}
        return QueueClient(connection_pool=redis.BlockingConnectionPool.from_url(node_url(url, at), **options))

    pauses_s = [min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2**number) for number in range(retries)]
    return ClusterClient(address.seeds, node, pauses_s)


def _cluster_async(settings: Settings, url: str) -> AsyncClient:
    from redis.asyncio.retry import Retry as AsyncRetry  # noqa: PLC0415 - as above

    from forwarder.queue.cluster_async import AsyncClusterClient  # noqa: PLC0415 - as above

    address, common = cluster_address(url), {"retry": AsyncRetry(NoBackoff(), 0), **_common(settings)}

    def node(at: Node) -> AsyncClient:
        options = {"username": address.username, "password": address.password, **common, **_tls(settings, url)}
        options["socket_read_size"] = _READ_SIZE
        return _async_client(redis.asyncio.BlockingConnectionPool.from_url(node_url(url, at), **options))

    return AsyncClusterClient(address.seeds, node)


def _sentinel() -> ModuleType:
    return import_module("forwarder.queue.sentinel")  # who has one server need not pay it


def _tls(settings: Settings, url: str) -> dict[str, Any]:
    return settings.redis_tls if is_tls(url) else {}


def _as_it_came(response: Any, **_options: Any) -> Any:  # noqa: ANN401 - a reply
    return response


def _with_codec(client: AnyClient, settings: Settings) -> AnyClient:
    codec = codec_for(settings)
    if codec is not PLAIN:
        attach(client, codec)
    return client


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "timeout": settings.redis_timeout_s,
        "retry_on_error": [RedisConnectionError, RedisTimeoutError, BusyLoadingError],
        "socket_connect_timeout": settings.redis_timeout_s,
        "socket_timeout": settings.redis_timeout_s + BLOCK_MAX_MS / 1000,
        "max_connections": _MAX_CONNECTIONS,
        "driver_info": _DRIVER,
        "health_check_interval": 30,
    }


def reach(client: Client) -> None:
    """Connect, if there is no connection yet.

    Raises:
        RedisError: the server does not answer.
    """
    if hasattr(client, "refresh"):  # a cluster: each node has its pool
        client.ping()
    else:
        client.connection_pool.release(client.connection_pool.get_connection())


def shown(settings: Settings) -> str:
    """The queue's URL without its password."""
    return masked(queue_url(settings))


def user_of(url: str) -> str:
    """As whom a URL logs in."""
    return unquote(urlsplit(url).username or "") or "default"
