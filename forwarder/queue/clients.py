"""redis-py's clients, for which what a server says only during a fail-over is an outage, which ends, and no mistake."""

from collections.abc import Sequence
from typing import Any, Final

import redis
import redis.asyncio
from redis.exceptions import AskError, ClusterDownError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

PASSING: Final = (ClusterDownError, TryAgainError)
"""A cluster, or a replica of it, without what it needs; keys on their way to another node."""
PASSING_TEXTS: Final = ("UNBLOCKED", "NOREPLICAS")
"""A blocking read on a primary that became a replica; fewer replicas than `min-replicas-to-write`."""


ELSEWHERE: Final = (AskError, TryAgainError, ClusterDownError)
"""What a node of a cluster says of a command that it has not done."""


class PassingError(RedisConnectionError):
    """Said during a fail-over or a migration."""


def worded(error: Exception) -> Exception:
    """The error, as one that is tried again when it passes."""
    passes = isinstance(error, PASSING) or str(error).startswith(PASSING_TEXTS)
    return PassingError(str(error)) if passes else error


class QueueClient(redis.Redis):
    """For threads."""

    def for_command(self, words: Sequence[Any]) -> redis.Redis:  # noqa: ARG002 - a cluster's looks at them
        """Who sends such a command."""
        return self

    def servers(self) -> dict[str, redis.Redis]:
        """Clients of all servers that take writes, by `host:port`; the only one has no name."""
        return {"": self}

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        """As redis-py's."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis-py's
        except ResponseError as error:
            raise worded(error) from None


def pool_for(client: redis.Redis, words: Sequence[Any]) -> redis.ConnectionPool:
    """The connections by which a command goes out; of a cluster, those to the node that has its key."""
    if isinstance(client, QueueClient):
        client = client.for_command(words)
    return client.connection_pool


def servers_of(client: redis.Redis) -> dict[str, redis.Redis]:
    """All servers that take writes, as `QueueClient.servers` has them."""
    return client.servers() if isinstance(client, QueueClient) else {"": client}


class AsyncQueueClient(redis.asyncio.Redis):
    """For an asyncio loop."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        """As redis-py's."""
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis-py's
        except ResponseError as error:
            raise worded(error) from None
