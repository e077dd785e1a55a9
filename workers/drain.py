"""THE STORY: read → coalesce → deliver → settle.

One forked work horse, one asyncio loop, one HTTP client. Several batches are in flight; one that waits for its next try
holds no permit and blocks no fresh batch. A session ends when the stream is idle, when it has run its time, or when the
worker stops or died; what has no outcome by then stays pending, and the next drain takes it over.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from forwarder import clock
from forwarder.log import get_logger
from forwarder.queue.connection import AsyncClient, connect_async
from forwarder.queue.keys import Keys
from forwarder.settings import Settings
from workers.account import account
from workers.batch import Batch
from workers.delivery import Sender
from workers.dispatch import Dispatcher
from workers.gate import Gate
from workers.intake import Intake
from workers.journal import Journal
from workers.pulse import lease_kept, lease_taken, others_woken
from workers.room import Room
from workers.session import HandBack, Session
from workers.sweep import Sweep
from workers.tracing import Traced, spans

HURRY_SEEN_WITHIN_S: Final = 0.1
CANCELS: Final = 3
"""The first makes a batch settle what is known of it; while Redis is away that is broken off by the next."""
CANCELLED_WITHIN_S: Final = 1.0


class Drain:
    """One session: the job of one lease."""

    def __init__(
        self, settings: Settings, session: Session, client: AsyncClient, sender: Sender, *, traced: Traced
    ) -> None:
        upstream = settings.upstream(session.destination)
        self._settings = settings
        self._session = session
        self._traced = traced
        keys = Keys(session.destination, session.partition, settings.key_prefix)
        self._gate = Gate(client, keys, session, upstream)
        self._room = Room(session, lambda: self._gate.share)
        self._journal = Journal(client, keys, session)
        self._intake = Intake(client, keys, session, settings, gate=self._gate, journal=self._journal)
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
            account(outcome, time.monotonic() - began, clock.now_ms())
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
                await asyncio.wait(self._in_flight, timeout=CANCELLED_WITHIN_S)


async def drain(settings: Settings, session: Session, make_sweep: Callable[[], Sweep]) -> None:
    """Run one session, when its lease can still be had."""
    keys = Keys(session.destination, session.partition, settings.key_prefix)
    log = get_logger()
    async with contextlib.aclosing(connect_async(settings)) as client:
        if not await lease_taken(client, keys, session, settings.lease_ttl_s):
            return
        async with (
            Sender(settings.upstream(session.destination)) as sender,
            contextlib.aclosing(spans(settings, session.destination)) as traced,
            others_woken(session, make_sweep),
            lease_kept(client, keys, session, settings.lease_ttl_s),
        ):
            log.info("drain_began")
            await Drain(settings, session, client, sender, traced=traced).run()
        log.info("drain_ended", reason=session.reason, seconds=round(session.age_s, 1))
