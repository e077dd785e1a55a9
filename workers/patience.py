"""Go on when Redis is away for a while: restarts and fail-overs end, and the drain holds what must not be lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from forwarder.log import get_logger
from forwarder.queue.connection import AWAY
from workers.session import Session

Result = TypeVar("Result")

RETRY_EVERY_S = 0.5


async def patiently(session: Session, action: Callable[[], Awaitable[Result]], *, to_the_last: bool = False) -> Result:
    """Do something with Redis, again and again until it is there.

    Args:
        session: of the drain.
        action: may be done several times, because its reply may be lost.
        to_the_last: go on when the session has ended, until cancelled: for what must not be left if it can be helped.

    Raises:
        HandBack: the session ended first.
    """
    while True:
        try:
            result = await action()
        except AWAY as error:
            if not session.redis_away:  # said once, whoever notices first
                get_logger().warning("redis_away", error=str(error), next="retried until it is back")
            session.redis_away = True
            session.over()
            await (asyncio.sleep(RETRY_EVERY_S) if to_the_last else session.sleep(RETRY_EVERY_S))
        else:
            if session.redis_away:
                get_logger().info("redis_back")
            session.redis_away = False
            return result
