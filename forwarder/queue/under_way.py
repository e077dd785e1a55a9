"""What was sent and is not answered yet, so that Redis works while we do."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from forwarder.queue.clients import ELSEWHERE, pool_for
from forwarder.queue.connection import Client
from forwarder.queue.scripts import Step, as_stored, run, source

Answer = TypeVar("Answer")


class UnderWay(Generic[Answer]):
    """A command on a connection of its own; a context, at whose end nobody waits for the answer any more.

    Args:
        client: whose pool lends the connection.
        words: of the command.
        read: turns the reply, as it came over the wire, into the answer.
        again: does the same from the beginning, when no answer came; so it must not matter if it is done twice.

    Raises:
        RedisError: it cannot be sent.
    """

    def __init__(
        self, client: Client, words: Sequence[Any], read: Callable[[Any], Answer], again: Callable[[], Answer]
    ) -> None:
        self._pool: Any = pool_for(client, words)  # redis-py does not say what a connection can do
        self._read = read
        self._again = again
        self._connection: Any = self._pool.get_connection()
        try:
            self._connection.send_command(*words)
        except RedisError:
            self.close()  # `answer` sends it again

    def answer(self) -> Answer:
        """Wait for the answer.

        Raises:
            RedisError: Redis is away, or refuses.
        """
        if self._connection is None:
            return self._again()
        connection = self._connection
        try:
            reply = connection.read_response()
        except (RedisConnectionError, RedisTimeoutError, NoScriptError, *ELSEWHERE):
            self.close()
            return self._again()
        except RedisError:
            self.close()
            raise
        self._connection = None
        self._pool.release(connection)
        return self._read(reply)

    def close(self) -> None:
        """Give the connection back; an answer that is still to come is not heard."""
        if self._connection is not None:
            self._connection.disconnect()
            self._pool.release(self._connection)
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def sent(client: Client, step: Step[Answer]) -> UnderWay[Answer]:
    """A step that is under way; one that can be done twice."""
    step, (_, digest) = as_stored(client, step), source(step.script)
    words = ("EVALSHA", digest, len(step.keys), *step.keys, *step.args)
    return UnderWay(client, words, step.read, lambda: run(client, step))
