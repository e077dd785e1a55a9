"""redis-py's clients, for which what a server says only during a fail-over is an outage, which ends, and no mistake."""

from typing import Any, Final

import redis
import redis.asyncio
from redis.exceptions import ClusterDownError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

PASSING: Final = (ClusterDownError, TryAgainError)
"""A cluster, or a replica of it, without what it needs; keys on their way to another node."""
PASSING_TEXTS: Final = ("UNBLOCKED", "NOREPLICAS")
"""A blocking read on a primary that became a replica; fewer replicas than `min-replicas-to-write`."""


class PassingError(RedisConnectionError):
    """Said during a fail-over or a migration."""


def worded(error: Exception) -> Exception:
    """The error, as one that is tried again when it passes."""
    passes = isinstance(error, PASSING) or str(error).startswith(PASSING_TEXTS)
    return PassingError(str(error)) if passes else error


class QueueClient(redis.Redis):
    """For threads."""

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        """As redis-py's."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            raise worded(error) from None


class AsyncQueueClient(redis.asyncio.Redis):
    """For an asyncio loop."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        """As redis-py's."""
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            raise worded(error) from None
