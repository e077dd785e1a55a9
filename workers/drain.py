"""THE STORY: read → coalesce → deliver → settle.

One forked work horse, one asyncio loop, one HTTP client. Several batches are in flight; one that waits for its next try
holds no permit and blocks no fresh batch. A session ends when the stream is idle, when it has run its time, or when the
worker stops or died; what has no outcome by then stays pending, and the next drain takes it over.
"""

import asyncio
import contextlib

from forwarder.log import get_logger
from forwarder.queue import lease
from forwarder.queue.connection import AWAY, AsyncClient, connect_async
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from forwarder.settings import Settings
from workers.batch import Batch
from workers.delivery import Sender
from workers.dispatch import Dispatcher
from workers.gate import PauseGate
from workers.intake import Intake
from workers.patience import patiently
from workers.session import HandBack, Session
from workers.settle import settlement
from workers.sweep import Sweep

BEAT_S = 1.0
HELD_PER_PERMIT = 2
"""Batches held at most, per request that may be in flight; those beyond wait for their next try."""
YIELD_AFTER_S = 5.0
"""A drain gives way to jobs for which no worker is free, but not before it has run so long."""


class Drain:
    """One session: the job of one lease."""

    def __init__(self, settings: Settings, session: Session, client: AsyncClient, sender: Sender, sweep: Sweep) -> None:
        upstream = settings.upstream(session.destination)
        self._settings = settings
        self._session = session
        self._client = client
        self._sweep = sweep
        self._keys = Keys(session.destination, prefix=settings.key_prefix)
        self._gate = PauseGate(client, self._keys, session, upstream.pause_s)
        self._intake = Intake(client, self._keys, session, self._gate, settings)
        self._dispatcher = Dispatcher(upstream, sender, self._gate, session)
        self._room = asyncio.Semaphore(upstream.concurrency_max * HELD_PER_PERMIT)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._log = get_logger()

    async def run(self) -> None:
        """Read, coalesce, deliver and settle until the session is over."""
        try:
            await self._gate.refresh()
            async for batch in self._intake.batches():
                await self._room.acquire()
                self._session.in_flight += 1
                task = asyncio.create_task(self._forward(batch))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
        except HandBack:
            pass  # the session ended while nothing could be read
        finally:
            await self._finish()

    async def _forward(self, batch: Batch) -> None:
        try:
            outcome = await self._dispatcher.dispatch(batch)
            settled = await patiently(self._session, lambda: run_async(self._client, settlement(self._keys, outcome)))
            self._log.debug(
                "settled", batch=batch.id, events=batch.count, refused=outcome.refused, lost=settled.lost_events
            )
        except HandBack:
            self._log.info("handed_back", batch=batch.id, events=batch.count, next="the next drain takes it over")
        except Exception:  # whatever our own fault is, the batch stays pending and the next drain tries it
            self._log.exception("batch_failed", batch=batch.id, next="left pending for the next drain")
            self._session.end("a batch failed")
        finally:
            self._session.in_flight -= 1
            self._room.release()

    async def _finish(self) -> None:
        """Let what is in flight come to its outcome, within the grace; the rest stays pending."""
        self._session.end("the intake ended")
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=self._settings.shutdown_grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(*AWAY):  # then it runs out by itself
            await run_async(self._client, lease.give(self._keys, self._session.slot, self._session.token))

    async def beat(self) -> None:
        """About once a second: keep the lease, follow the pause, wake other drains, see whether the session is over."""
        while True:
            try:
                await self._beat()
            except AWAY as error:
                self._log.debug("beat_missed", error=str(error))
            except Exception:  # without its beat a drain loses its lease and does not notice
                self._log.exception("beat_failed")
                self._session.end("its beat failed")
            self._session.over()
            await asyncio.sleep(BEAT_S)

    async def _beat(self) -> None:
        session = self._session
        keep = lease.keep(self._keys, session.slot, session.token, self._settings.lease_ttl_s)
        if not await run_async(self._client, keep):
            session.end("another drain holds the lease")
        await self._gate.refresh()
        await asyncio.to_thread(self._sweep.run)
        if session.age_s > YIELD_AFTER_S and await asyncio.to_thread(self._sweep.jobs_wait):
            session.end("a job waits for a worker")


async def drain(settings: Settings, session: Session, sweep: Sweep) -> None:
    """Run one session, when its lease can still be had."""
    keys = Keys(session.destination, prefix=settings.key_prefix)
    log = get_logger()
    async with contextlib.aclosing(connect_async(settings)) as client:
        if not await run_async(client, lease.keep(keys, session.slot, session.token, settings.lease_ttl_s)):
            log.info("drain_not_needed", reason="another drain holds the lease")
            return
        async with Sender(settings.upstream(session.destination)) as sender:
            one = Drain(settings, session, client, sender, sweep)
            beat = asyncio.create_task(one.beat())
            log.info("drain_began")
            await one.run()
            beat.cancel()
            log.info("drain_ended", reason=session.reason, seconds=round(session.age_s, 1))
