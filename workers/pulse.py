"""What a drain does about once a second beside its work: keep its lease, and wake other drains.

Two tasks, because RQ may live on another server than the queue, and that one may hang. Each ends by a flag, never by a
cancellation, which redis-py may turn into an error of its own.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from redis.exceptions import RedisError

from forwarder.log import get_logger
from forwarder.queue import lease
from forwarder.queue.connection import AWAY, AsyncClient
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from workers.patience import patiently
from workers.session import HandBack, Session
from workers.sweep import Sweep

BEAT_S: Final = 1.0
YIELD_AFTER_S: Final = 5.0
"""A drain gives way to jobs for which no worker is free, but while it is busy not before it has run so long."""


def beat_s(ttl_s: float) -> float:
    """Seconds from one beat to the next: a second, but three beats at least in the life of a lease (s) without one."""
    return min(BEAT_S, ttl_s / 3)


async def lease_taken(client: AsyncClient, keys: Keys, session: Session, ttl_s: float) -> bool:
    """Take the lease for a session; False when another drain holds it, or the session is over before it is had.

    Args:
        client: of the queue.
        keys: of the partition.
        session: who wants it.
        ttl_s: life of the lease without a beat.
    """
    take = lease.keep(keys, session.slot, session.token, ttl_s)
    try:
        taken = await patiently(session, lambda: run_async(client, take))
    except HandBack:
        return False
    if not taken:
        get_logger().info("drain_not_needed", reason="another drain holds the lease")
    return taken


@contextlib.asynccontextmanager
async def lease_kept(client: AsyncClient, keys: Keys, session: Session, ttl_s: float) -> AsyncIterator[None]:
    """Keep the lease that the session has taken, and see whether it is over; give the lease back at the end.

    Args:
        client: of the queue.
        keys: of the partition.
        session: whose lease it is; ended when another drain holds it.
        ttl_s: life of the lease without a beat.
    """
    keep = lease.keep(keys, session.slot, session.token, ttl_s)

    async def beat() -> None:
        if not await run_async(client, keep):
            session.end("another drain holds the lease")
        session.over()

    try:
        async with _every(beat_s(ttl_s), session, beat, "beat_missed"):
            yield
    finally:  # the beat has ended, or it could take the lease again
        with contextlib.suppress(*AWAY):  # then it runs out by itself
            await run_async(client, lease.leave(keys, session.slot, session.token, in_order=not session.in_doubt))


@contextlib.asynccontextmanager
async def others_woken(session: Session, make_sweep: Callable[[], Sweep]) -> AsyncIterator[None]:
    """Wake other drains where there is work, and give way to them.

    Args:
        session: ended when a job waits for which no worker is free.
        make_sweep: makes one of all destinations; not at once, when the first event waits for other things.
    """
    swept = functools.cache(make_sweep)

    async def rouse() -> None:
        await asyncio.to_thread(lambda: swept().run())
        ripe = session.age_s > YIELD_AFTER_S or session.quiet
        if ripe and await asyncio.to_thread(lambda: swept().jobs_wait()):
            session.end("a job waits for a worker")

    async with _every(BEAT_S, session, rouse, "sweep_missed"):
        yield


@contextlib.asynccontextmanager
async def _every(
    pause_s: float, session: Session, action: Callable[[], Awaitable[None]], missed: str
) -> AsyncIterator[None]:
    """Not at the very beginning: the lease was just taken, and who enqueued this drain has just swept."""
    finished = asyncio.Event()

    async def repeat() -> None:
        while not await _within(finished, pause_s):
            await _attempt(session, action, missed)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        finished.set()
        await task


async def _within(finished: asyncio.Event, pause_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(finished.wait(), pause_s)
    return finished.is_set()


async def _attempt(session: Session, action: Callable[[], Awaitable[None]], missed: str) -> None:
    log = get_logger()
    try:
        await action()
    except RedisError as error:  # it is away, or full: this drain goes on
        log.debug(missed, error=str(error))
        session.over()
    except Exception:  # without its beat a drain loses its lease and does not notice
        log.exception("beat_failed", next="it ends")
        session.end("its beat failed")
