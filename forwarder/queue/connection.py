"""Clients for the queue, from one URL: embedded, redis://, rediss://, unix://.

redis-py's two constructors retry differently (`Redis()` ten times, `from_url()` never), so retries, timeouts and the
pool are set here, explicitly, for every client. Producers and operators repeat a command that got no reply: appends
carry a chunk id, and the other steps can be done twice. Drains do not: a lost reply may have brought entries.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from forwarder.errors import QueueFull, QueueUnavailable
from forwarder.paths import DataDir
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
_READ_SIZE: Final = 1_048_576
"""Bytes that an asyncio client takes from its socket at once, if they are there: a drain asks for two million."""


def queue_url(settings: Settings) -> str:
    """The URL that redis-py understands; `embedded` becomes the unix socket in the data folder."""
    if settings.redis_url == "embedded":
        return f"unix://{DataDir(settings.data_dir).socket}"
    return settings.redis_url


def control_url(settings: Settings) -> str:
    """The URL of the server where RQ lives."""
    return settings.control_url or queue_url(settings)


def connect(settings: Settings, url: str | None = None, *, retries: int = _RETRIES) -> Client:
    """A client for threads; connects at its first command.

    Args:
        settings: timeouts, and the queue's URL.
        url: another server than the queue's.
        retries: of a command that got no reply.
    """
    url = url or queue_url(settings)
    backoff = ExponentialWithJitterBackoff(base=_BACKOFF_BASE_S, cap=_BACKOFF_CAP_S)
    pool = redis.BlockingConnectionPool.from_url(
        url, retry=Retry(backoff, retries), timeout=settings.redis_timeout_s, **_common(settings)
    )
    return _with_codec(redis.Redis(connection_pool=pool), settings)


def connect_async(settings: Settings, url: str | None = None) -> AsyncClient:
    """A client for one asyncio loop; connects at its first command.

    It does not repeat commands by itself: a drain must know that the reply to a read may have been lost.

    Args:
        settings: timeouts, and the queue's URL.
        url: another server than the queue's.
    """
    from redis.asyncio.retry import Retry as AsyncRetry  # noqa: PLC0415 - a producer without asyncio need not pay it

    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url or queue_url(settings),
        retry=AsyncRetry(NoBackoff(), 0),
        timeout=settings.redis_timeout_s,
        socket_read_size=_READ_SIZE,
        **_common(settings),
    )
    client = redis.asyncio.Redis(connection_pool=pool)
    client.set_response_callback("XREADGROUP", _as_it_came)  # a dict per entry costs too much
    return _with_codec(client, settings)


def _as_it_came(response: Any, **_options: Any) -> Any:  # noqa: ANN401 - a reply
    return response


def _with_codec(client: AnyClient, settings: Settings) -> AnyClient:
    codec = codec_for(settings)
    if codec is not PLAIN:
        attach(client, codec)
    return client


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "retry_on_error": [RedisConnectionError, RedisTimeoutError, BusyLoadingError],
        "socket_connect_timeout": settings.redis_timeout_s,
        "socket_timeout": settings.redis_timeout_s + BLOCK_MAX_MS / 1000,
        "max_connections": _MAX_CONNECTIONS,
        "health_check_interval": 30,
    }


@contextmanager
def queue_errors(settings: Settings) -> Iterator[None]:
    """Turns what Redis raises into one clear line that names what to mend."""
    try:
        yield
    except OutOfMemoryError:
        raise QueueFull(
            f"Redis at {shown(settings)} has no memory left (maxmemory): nothing was stored; let the backlog drain"
        ) from None
    except AuthenticationError as error:
        raise QueueUnavailable(
            f"Redis at {shown(settings)} refuses us: {error}; check the user in FORWARDER_REDIS_URL"
        ) from None
    except AWAY as error:
        raise QueueUnavailable(_away(settings, error)) from None
    except RedisError as error:
        if is_denied(error):
            raise QueueUnavailable(
                f"Redis at {shown(settings)} lets this user not do that: {error}; `forwarder doctor` names the rights "
                "that are missing, deploy/redis/users.acl has them all"
            ) from None
        raise QueueUnavailable(f"Redis at {shown(settings)} cannot do that: {error}") from None


def is_denied(error: Exception) -> bool:
    """Whether the user lacks a right; within a script Redis says so in the script's error."""
    return isinstance(error, NoPermissionError) or (isinstance(error, ResponseError) and "ACL failure" in str(error))


def _away(settings: Settings, error: Exception) -> str:
    if settings.redis_url == "embedded":
        return (
            f"no embedded queue runs in {settings.data_dir}: start it with `forwarder up`, "
            "or set FORWARDER_REDIS_URL to the server that holds the queue"
        )
    return f"Redis at {shown(settings)} cannot be reached ({error}); is it up, and is FORWARDER_REDIS_URL right?"


def shown(settings: Settings) -> str:
    """The queue's URL without its password."""
    return masked(queue_url(settings))


def masked(url: str) -> str:
    """A URL with its password, if any, replaced by stars, wherever redis-py would read it from."""
    url = re.sub(r"([?&]password=)[^&#]*", r"\1***", url)
    scheme, _, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}:***@{host}" if at and ":" in login else url


def user_of(url: str) -> str:
    """As whom a URL logs in."""
    return unquote(urlsplit(url).username or "") or "default"
