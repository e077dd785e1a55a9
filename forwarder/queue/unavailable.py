"""What Redis raises, as one line that says what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError, RedisError, ResponseError

from forwarder.errors import QueueFull, QueueUnavailable
from forwarder.queue.address import EMBEDDED, is_tls
from forwarder.queue.connection import AWAY, queue_url, shown
from forwarder.settings import Settings


@contextmanager
def queue_errors(settings: Settings) -> Iterator[None]:
    """Turns what Redis raises into one clear line that names what to mend.

    Raises:
        QueueFull: it has no memory left.
        QueueUnavailable: it is away, or refuses us.
    """
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
        if _is_denied(error):
            raise QueueUnavailable(
                f"Redis at {shown(settings)} lets this user not do that: {error}; `forwarder doctor` names the rights "
                "that are missing, deploy/redis/users.acl has them all"
            ) from None
        raise QueueUnavailable(f"Redis at {shown(settings)} cannot do that: {error}") from None


def _is_denied(error: Exception) -> bool:
    """Whether the user lacks a right; within a script Redis says so in the script's error."""
    return isinstance(error, NoPermissionError) or (isinstance(error, ResponseError) and "ACL failure" in str(error))


def _away(settings: Settings, error: Exception) -> str:
    if settings.redis_url == EMBEDDED:
        return (
            f"no embedded queue runs in {settings.data_dir}: start it with `forwarder up`, "
            "or set FORWARDER_REDIS_URL to the server that holds the queue"
        )
    nameless = is_tls(queue_url(settings)) and settings.redis_tls_cert_file is None
    return f"Redis at {shown(settings)} cannot be reached ({error}); {_mend(str(error).lower(), nameless=nameless)}"


def _mend(error: str, *, nameless: bool) -> str:
    """What to do about it; a server that wants a certificate of ours often just closes the connection."""
    if "certificate verify failed" in error and "mismatch" in error:
        return "its certificate is for another name than FORWARDER_REDIS_URL has"
    if "certificate verify failed" in error:
        return "set FORWARDER_REDIS_TLS_CA_FILE to the certificate of who signed its own"
    if "no master found" in error:
        return "are its Sentinels up, and is the service in FORWARDER_REDIS_URL the one that they watch?"
    asks = ", and does it ask for a certificate (FORWARDER_REDIS_TLS_CERT_FILE)" if nameless else ""
    return f"is it up, and is FORWARDER_REDIS_URL right{asks}?"
