"""redis-py's clients, for which what a server says only during a fail-over is an outage, which ends, and no mistake."""

from typing import Any, Final

import redis
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

PASSING: Final = ("UNBLOCKED", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK")
"""A blocking read on a primary that became a replica; fewer replicas than `min-replicas-to-write`; a cluster without
the slot, or with its keys on their way to another node."""


class PassingError(RedisConnectionError):
    """Said during a fail-over or a migration."""


def worded(error: ResponseError) -> RedisError:
    """The error, as one that is tried again when it passes."""
    text = str(error)
    return PassingError(text) if text.startswith(PASSING) else error


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
