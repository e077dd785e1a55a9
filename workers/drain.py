"""THE STORY: read → coalesce → deliver → settle.

One forked work horse, one asyncio loop, one HTTP client. Several batches are in flight; one that waits for its next try
holds no permit and blocks no fresh batch. A session ends when the stream is idle, when it has run its time, or when the
worker stops or died; what has no outcome by then stays pending, and the next drain takes it over.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from forwarder.log import get_logger
from forwarder.queue import lease
from forwarder.queue.connection import AWAY, AsyncClient, connect_async
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from forwarder.settings import Settings
from workers.account import account
from workers.batch import Batch
from workers.delivery import Sender
from workers.dispatch import Dispatcher
from workers.gate import Gate
from workers.intake import Intake
from workers.journal import Journal
from workers.patience import patiently
from workers.room import Room
from workers.session import HandBack, Session
from workers.sweep import Sweep
from workers.tracing import BatchSpans, NoSpans, spans

Traced = BatchSpans | NoSpans

BEAT_S = 1.0
HURRY_SEEN_WITHIN_S = 0.1
CANCELS = 3
"""The first makes a batch settle what is known of it; while Redis is away that is broken off by the next."""
YIELD_AFTER_S = 5.0
"""A drain gives way to jobs for which no worker is free, but while it is busy not before it has run so long."""


class Drain:
    """One session: the job of one lease."""

    def __init__(
        self, settings: Settings, session: Session, client: AsyncClient, sender: Sender, sweep: Sweep, *, traced: Traced
    ) -> None:
        upstream = settings.upstream(session.destination)
        self._settings = settings
        self._session = session
        self._client = client
        self._sweep = sweep
        self._traced = traced
        self._keys = Keys(session.destination, session.partition, settings.key_prefix)
        self._gate = Gate(client, self._keys, session, upstream)
        self._room = Room(session, lambda: self._gate.share)
        self._journal = Journal(client, self._keys, session)
        self._intake = Intake(client, self._keys, session, settings, gate=self._gate, journal=self._journal)
        self._dispatcher = Dispatcher(
            upstream, session, poster=traced.posting(sender), gate=self._gate, journal=self._journal, room=self._room
        )
        self._finished = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._log = get_logger()

    async def run(self) -> None:
        """Read, coalesce, deliver and settle until the session is over."""
        self._session.opening = True
        following = asyncio.create_task(self._gate.run(self._finished))
        try:
            await self._gate.known()
            async for batch in self._intake.batches():
                await self._room.enter(batch)
                task = asyncio.create_task(self._forward(batch))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
        except HandBack:
            pass  # the session ended while nothing could be read, or no room was free
        finally:
            await self._finish()
            await self._intake.end()
            await self._journal.end()
            self._finished.set()
            self._gate.hurry()
            await following

    async def _forward(self, batch: Batch) -> None:
        began, settled = time.monotonic(), False
        try:
            with self._traced.batch(batch) as tell:
                outcome = await self._dispatcher.dispatch(batch)
                tell(outcome)
            account(outcome, time.monotonic() - began, time.time_ns() // 1_000_000)
            if outcome.tally or not outcome.undecided:
                await self._journal.settle(outcome)
            settled = True
        except Exception:  # whatever our own fault is, the batch stays pending and the next drain tries it
            self._log.exception("batch_failed", batch=batch.id, next="left pending for the next drain")
            self._session.end("a batch failed")
        finally:
            if not settled:  # whoever takes it over must know that it may have arrived
                self._session.in_doubt = True
                self._log.warning("not_settled", batch=batch.id, events=batch.count, next="sent again, as ambiguous")
            self._intake.settled(batch)
            self._room.leave(batch)

    async def _finish(self) -> None:
        """Let what is in flight come to its outcome; what has none in time is handed back.

        Who asked to stop is waiting, so that the grace is all there is, and nothing when they asked twice; else a
        request has its usual time.
        """
        self._session.end("the intake ended")
        self._gate.hurry()
        upstream = self._settings.upstream(self._session.destination)
        wait_s = self._settings.shutdown_grace_s if self._session.hurried else upstream.request_timeout_s
        deadline = time.monotonic() + wait_s
        while self._in_flight and time.monotonic() < deadline and not self._session.at_once:
            step_s = min(HURRY_SEEN_WITHIN_S, deadline - time.monotonic())
            await asyncio.wait(self._in_flight, timeout=max(0.0, step_s))
        for _ in range(CANCELS):
            for task in self._in_flight:
                task.cancel()
            if self._in_flight:
                await asyncio.wait(self._in_flight, timeout=BEAT_S)

    async def beat(self) -> None:
        """About once a second: keep the lease, and see whether the session is over."""
        keep = lease.keep(self._keys, self._session.slot, self._session.token, self._settings.lease_ttl_s)

        async def beat_once() -> None:
            if not await run_async(self._client, keep):
                self._session.end("another drain holds the lease")
            self._session.over()

        await self._every_second(beat_once, "beat_missed")

    async def rouse(self) -> None:
        """About once a second: wake other drains, and give way to them.

        Beside the beat, because RQ may live on another server, which may hang.
        """

        async def rouse_once() -> None:
            await asyncio.to_thread(self._sweep.run)
            ripe = self._session.age_s > YIELD_AFTER_S or self._session.quiet
            if ripe and await asyncio.to_thread(self._sweep.jobs_wait):
                self._session.end("a job waits for a worker")

        await self._every_second(rouse_once, "sweep_missed")

    async def _every_second(self, action: Callable[[], Awaitable[None]], missed: str) -> None:
        """Until `run` has finished, by a flag: redis-py may turn a cancellation into an error of its own."""
        while not self._finished.is_set():
            try:
                await action()
            except RedisError as error:  # it is away, or full: this drain goes on
                self._log.debug(missed, error=str(error))
                self._session.over()
            except Exception:  # without its beat a drain loses its lease and does not notice
                self._log.exception("beat_failed", next="it ends")
                self._session.end("its beat failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._finished.wait(), BEAT_S)


async def drain(settings: Settings, session: Session, sweep: Sweep) -> None:
    """Run one session, when its lease can still be had."""
    keys = Keys(session.destination, session.partition, settings.key_prefix)
    log = get_logger()
    async with contextlib.aclosing(connect_async(settings)) as client:
        take = lease.keep(keys, session.slot, session.token, settings.lease_ttl_s)
        try:
            taken = await patiently(session, lambda: run_async(client, take))
        except HandBack:
            return
        if not taken:
            log.info("drain_not_needed", reason="another drain holds the lease")
            return
        async with Sender(settings.upstream(session.destination)) as sender:
            traced = spans(settings, session.destination)
            one = Drain(settings, session, client, sender, sweep, traced=traced)
            beat, rousing = asyncio.create_task(one.beat()), asyncio.create_task(one.rouse())
            log.info("drain_began")
            try:
                await one.run()
            finally:
                await beat  # before the lease is given, or it could take it again
                with contextlib.suppress(*AWAY):  # then it runs out by itself
                    await run_async(
                        client, lease.leave(keys, session.slot, session.token, in_order=not session.in_doubt)
                    )
                await rousing
                await traced.close()
                log.info("drain_ended", reason=session.reason, seconds=round(session.age_s, 1))
