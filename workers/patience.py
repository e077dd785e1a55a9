"""Go on when Redis is away for a while: restarts and fail-overs end, and the drain holds what must not be lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from forwarder.log import get_logger
from forwarder.queue.connection import AWAY
from workers.session import Session

Result = TypeVar("Result")

RETRY_EVERY_S = 0.5


async def patiently(session: Session, action: Callable[[], Awaitable[Result]]) -> Result:
    """Do something with Redis, again and again until it is there.

    Raises:
        HandBack: the session ended first.
    """
    away = False
    while True:
        try:
            result = await action()
        except AWAY as error:
            if not away:
                get_logger().warning("redis_away", error=str(error), next="retried until it is back")
            away = True
            await session.sleep(RETRY_EVERY_S)
        else:
            if away:
                get_logger().info("redis_back")
            return result
