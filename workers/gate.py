"""The gate of a destination: how many requests may be under way, and none while it is paused; one for the whole fleet.

What requests met is reported about five times a second, and at once when something went wrong; the state that comes
back opens, narrows or closes the gate. While Redis is away the last state holds.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from forwarder.key_settings import SCOPE
from forwarder.log import get_logger
from forwarder.queue.connection import AWAY, AsyncClient
from forwarder.queue.keys import Keys
from forwarder.settings import scope_of
from forwarder.upstream_settings import Upstream
from workers.backoff import retry_after_s
from workers.batch import Capacity, Piece
from workers.breaker import Pauses
from workers.fleet import Fleet
from workers.flow import Policy
from workers.permits import Permits
from workers.rate import RateLimit
from workers.report import Reporter
from workers.session import Session
from workers.sizing import Extent
from workers.verdict import Retry, Stop, Verdict
from workers.way import Passage, Way

REPORT_EVERY_S: Final = 0.2
QUIET_EVERY_S: Final = 1.0
"""With nothing to report; well below the silence after which a drain takes no part."""


class Gate:
    """Lets the requests of one drain pass; `run` keeps it up to date.

    Args:
        client: of the queue.
        keys: of the destination.
        session: ends all waiting at the gate.
        upstream: limits and pauses.
    """

    def __init__(self, client: AsyncClient, keys: Keys, session: Session, upstream: Upstream) -> None:
        pauses = Pauses(round(upstream.pause_min_s * 1000), round(upstream.pause_max_s * 1000))
        policy = Policy(upstream.concurrency_max, upstream.concurrency, pauses)
        self._fleet = Fleet(client, keys, session.token, policy)
        self._rate = RateLimit(client, keys, session, upstream)
        self._session = session
        self._upstream = upstream
        self._most = Capacity(upstream.batch_max_events, upstream.batch_max_bytes)
        self._scope = scope_of(keys.destination)
        self._reporter = Reporter()
        self._permits = Permits(0)
        self._alarm = False
        self._pressed = False
        self._excess = False
        self._probing = False
        self._waiting = 0
        self._turned = asyncio.Event()
        self._wake = asyncio.Event()
        self._log = get_logger()

    @property
    def is_open(self) -> bool:
        """Whether the destination is believed to be well."""
        return self._fleet.well and not self._alarm and not self._reporter.alarming

    @property
    def capacity(self) -> Capacity:
        """What fits into one request: the settings, and what refusals have taught the fleet."""
        return self._most.within(self._fleet.flow.size)

    @property
    def share(self) -> int:
        """How many requests this drain may have in flight."""
        return self._permits.limit

    async def run(self, finished: asyncio.Event) -> None:
        """Keep up to date until the drain has finished, then take leave."""
        while not finished.is_set():
            self._wake.clear()
            try:
                await self.exchange()
                pace_s = self._pace_s
            except AWAY as error:
                self._log.debug("report_missed", error=str(error))
                pace_s = QUIET_EVERY_S
            except Exception:  # who waits at the gate would wait for ever
                self._log.exception("gate_failed")
                self._session.end("its gate failed")
                pace_s = QUIET_EVERY_S
            if self._session.ending.is_set():
                self._permits.limit = self._upstream.concurrency_max  # who waits for a permit learns that it is over
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pace_s)
        with contextlib.suppress(*AWAY):
            await self._fleet.leave()

    async def known(self) -> None:
        """Wait until it is known how the destination is.

        Raises:
            HandBack: the session ended first.
        """
        if not self._fleet.now_ms:
            await self._session.unless_over(self._turned.wait())

    def hurry(self) -> None:
        """Do not wait for the next turn of `run`."""
        self._wake.set()

    async def exchange(self) -> None:
        """Report, and do as the fleet has decided."""
        self._alarm = self._alarm or self._reporter.alarming
        permits, was_open = self._permits, self._fleet.well
        wants = permits.in_use + permits.waiting
        report = self._reporter.taken(
            in_flight=permits.in_use, wants=wants, peak=permits.take_peak(), waiting=self._waiting > 0
        )
        try:
            await self._fleet.tell(report)
        except AWAY:
            self._reporter.give_back(report)
            raise
        self._alarm = self._pressed = False
        if report.seen.probe is not None or report.seen.dropped:
            self._probing = False
        self._reporter.begin(self._fleet.flow.limit.epoch)
        permits.limit = self._fleet.share
        self._excess = permits.in_use > permits.limit
        self._session.paused = not self._fleet.well or self._fleet.share == 0
        self._say(was_open=was_open)
        self._turned.set()
        self._turned = asyncio.Event()

    async def passed(self) -> None:
        """Wait until the gate is open and not about to be narrowed, or a request may go out as the probe.

        Raises:
            HandBack: the session ended first.
        """
        if not self._flows:  # the fleet learns at once that this drain could send the probe
            self._wake.set()
        while not self._flows and not self._probe_is_due:
            self._waiting += 1
            try:
                await self._session.unless_over(self._turned.wait())
            finally:
                self._waiting -= 1

    def passage(self, piece: Piece) -> Way:
        """Wait until a piece may be sent; it is sent inside.

        Entering raises:
            HandBack: the session ended first.
        """
        return Way(self, piece)

    def straight_on(self, piece: Piece) -> Passage | None:
        """The right to send, if there is nothing to wait for; to be given back by `give_back`."""
        if self._rate.limits or not self._flows or not self._permits.take_now():
            return None
        return self._passage(piece)

    def give_back(self) -> None:
        """Somebody else may have the permit that `straight_on` took."""
        self._permits.give_back()

    @contextlib.asynccontextmanager
    async def long_way(self, piece: Piece) -> AsyncIterator[Passage]:
        """As `passage`, whatever there is to wait for."""
        while True:
            await self.passed()
            if not self.is_open:
                async with self._probe(piece) as passage:
                    yield passage
                return
            if not self._permits.limit:  # to be given a share, this drain must be known to want one
                self._wake.set()
            async with self._rate.permit(self._permits, piece.count):
                self._session.go_on()
                if self._flows:
                    yield self._passage(piece)
                    return

    def note(self, passage: Passage, verdict: Verdict, seconds: float) -> None:
        """What came of a request; when the fleet must decide at once, `run` is woken."""
        asked_s = 0.0
        if isinstance(verdict, Stop):
            verdict = Stop(verdict.error.replace(SCOPE, self._scope))
        if isinstance(verdict, Retry) and verdict.for_all:
            asked_s = retry_after_s(verdict.retry_after, time.time(), self._upstream.retry_after_max_s)
        rtt_ms, asked_ms = seconds * 1000, round(asked_s * 1000)
        self._reporter.note(
            verdict, passage.extent, rtt_ms, asked_ms=asked_ms, probe=passage.probe, epoch=passage.epoch
        )
        self._pressed = self._pressed or (isinstance(verdict, Retry) and verdict.pushed_back)
        down_to_share = self._excess and self._permits.in_use - 1 <= self._permits.limit  # others wait for that
        if self._reporter.urgent or down_to_share:
            self._wake.set()

    def drop_probe(self) -> None:
        """Somebody else may have something to send as the probe; this drain has not."""
        if self._probe_is_due and not self.is_open:
            self._probing = True  # until it is reported
            self._reporter.drop_probe()
            self._wake.set()

    @property
    def _flows(self) -> bool:
        return self.is_open and not self._pressed

    @property
    def _probe_is_due(self) -> bool:
        return self._fleet.may_probe and not self._probing

    @contextlib.asynccontextmanager
    async def _probe(self, piece: Piece) -> AsyncIterator[Passage]:
        self._probing = True  # until it is reported
        self._log.info("probing", events=piece.count)
        passage = self._passage(piece, probe=True)
        try:
            yield passage
        finally:
            if not passage.noted:
                self._reporter.drop_probe()
            self._wake.set()

    def _passage(self, piece: Piece, *, probe: bool = False) -> Passage:
        return Passage(self, Extent(piece.count, len(piece.body)), self._fleet.flow.limit.epoch, probe)

    @property
    def _pace_s(self) -> float:
        busy = self._permits.in_use or self._permits.waiting or self._waiting
        pace_s = REPORT_EVERY_S if busy else QUIET_EVERY_S
        pause = self._fleet.pause
        if pause and pause.until_ms:  # to be there when it ends
            pace_s = min(pace_s, max(0.01, (pause.until_ms - self._fleet.now_ms) / 1000))
        return pace_s

    def _say(self, *, was_open: bool) -> None:
        pause = self._fleet.pause
        if was_open and pause:
            self._log.warning("paused", reason=pause.reason, kind=pause.kind, until_ms=pause.until_ms)
        elif not was_open and self._fleet.well:
            self._log.info("resumed")
