"""See a batch through to its outcome: try, wait and try again, cut what is refused until the refused stand alone."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from typing import Protocol

from forwarder.log import get_logger
from forwarder.queue.histograms import REQUEST_MS
from forwarder.upstream_settings import Upstream
from workers.backoff import delay_s, retry_after_s
from workers.batch import Batch, Capacity, Piece
from workers.outcome import Outcome, Ruling
from workers.session import HandBack, Session
from workers.verdict import Answer, Cut, Delivered, Retry, Stop, Verdict, classify

HTTP_REDIRECTS = 300
"""The first status that is no success."""


class Poster(Protocol):
    """What sends a body once."""

    async def post(self, body: bytes, key: str) -> Answer:
        """Send it under this Idempotency-Key."""


class Passage(Protocol):
    """The right to send one request."""

    probe: bool

    def note(self, verdict: Verdict, seconds: float) -> None:
        """Tell the fleet what came of it."""


class Gate(Protocol):
    """Lets requests pass: as many at once as the destination takes, none while it is paused."""

    @property
    def is_open(self) -> bool:
        """Whether the destination is believed to be well."""

    @property
    def capacity(self) -> Capacity:
        """What fits into one request, as far as is known."""

    def passage(self, piece: Piece) -> AbstractAsyncContextManager[Passage]:
        """Wait until a piece may be sent; it is sent inside."""


class Journal(Protocol):
    """Notes what is about to be sent, where the next drain finds it."""

    async def begin(self, outcome: Outcome, attempts: int) -> None:
        """Note it, and the attempts so far; raises HandBack when the batch is not ours any more."""


class Room(Protocol):
    """Where batches are held."""

    def resting(self) -> AbstractAsyncContextManager[None]:
        """While a batch waits for its next try, a fresh one may take its place."""


@contextmanager
def _ambiguous_when_cancelled(piece: Piece, outcome: Outcome) -> Iterator[None]:
    """What is under way at the hard end of a session may still arrive."""
    try:
        yield
    except asyncio.CancelledError:
        outcome.tally["ambiguous"] += piece.count
        raise


class Dispatcher:
    """Sends the batches of one drain.

    Args:
        upstream: how often and how long to try.
        poster: sends a body once.
        gate: lets requests pass.
        journal: notes what is about to be sent.
        room: where the batches are held.
        session: ends waiting when the drain ends.
    """

    def __init__(
        self, upstream: Upstream, session: Session, *, poster: Poster, gate: Gate, journal: Journal, room: Room
    ) -> None:
        self._upstream = upstream
        self._poster = poster
        self._gate = gate
        self._journal = journal
        self._room = room
        self._session = session
        self._log = get_logger()

    async def dispatch(self, batch: Batch) -> Outcome:
        """Send a batch until each of its events is delivered or refused, or the session ends.

        A cancellation is the hard end of a session: the outcome so far is answered, and what was under way is counted
        as ambiguous.
        """
        outcome = Outcome(batch)
        outcome.pieces.extend(batch.pieces(self._gate.capacity))
        with suppress(asyncio.CancelledError):
            while not outcome.under_way and (pieces := outcome.next_pieces()):
                await self._see_through(pieces, outcome)
        outcome.close()
        return outcome

    async def _see_through(self, pieces: Sequence[Piece], outcome: Outcome) -> None:
        """Bring pieces to their rulings; those for which the session ends too early stay under way."""

        async def one(piece: Piece) -> None:
            with suppress(HandBack):
                outcome.note(piece, await self._insist(piece, outcome))

        if len(pieces) == 1:
            await one(pieces[0])
            return
        async with asyncio.TaskGroup() as group:
            for piece in pieces:
                group.create_task(one(piece))

    async def _insist(self, piece: Piece, outcome: Outcome) -> Ruling:
        """Try until there is an answer that is not `try again later`, or the tries are spent."""
        attempt = 0 if outcome.rejections else outcome.batch.attempts  # what was cut is another request
        while True:
            attempt += 1
            answer, verdict, probe = await self._try(piece, attempt, outcome)
            outcome.status = answer.status
            if isinstance(verdict, Stop) or (isinstance(verdict, Retry) and probe):
                attempt -= 1  # the destination's fault, or sent to see whether an outage is over: no try is burnt
            outcome.attempts = max(outcome.attempts, attempt)
            if isinstance(verdict, Stop):
                continue
            if isinstance(verdict, Retry) and (probe or not self._spent(attempt, outcome.batch)):
                outcome.tally["retries"] += 1
                if self._gate.is_open:  # else all wait, until it opens
                    await self._back_off(piece, verdict, attempt, outcome)
            else:
                return Ruling(verdict, answer.status, attempt)

    async def _try(self, piece: Piece, attempt: int, outcome: Outcome) -> tuple[Answer, Verdict, bool]:
        async with self._gate.passage(piece) as passage:
            self._session.go_on()
            await self._journal.begin(outcome, max(outcome.attempts, attempt - passage.probe))
            began = time.monotonic()
            with _ambiguous_when_cancelled(piece, outcome):
                answer = await self._poster.post(piece.body, piece.key)
            seconds = time.monotonic() - began
            verdict = classify(answer)
            passage.note(verdict, seconds)
        self._count(piece, answer, verdict, seconds, outcome.tally)
        return answer, verdict, passage.probe

    def _spent(self, attempt: int, batch: Batch) -> bool:
        age_s = time.time() - batch.queued_ms / 1000
        return attempt >= self._upstream.retry_max_attempts or age_s > self._upstream.retry_max_age_s

    async def _back_off(self, piece: Piece, verdict: Retry, attempt: int, outcome: Outcome) -> None:
        settings = self._upstream
        asked_s = retry_after_s(verdict.retry_after, time.time(), settings.retry_after_max_s)
        wait_s = delay_s(attempt, settings.retry_base_ms, settings.retry_max_ms, random.random(), asked_s)  # noqa: S311 - jitter
        self._log.info("retry", batch=piece.key, attempt=attempt, cause=verdict.cause, wait_s=round(wait_s, 3))
        whole = piece.count == outcome.batch.count
        async with self._room.resting() if whole else nullcontext():
            await self._session.sleep(wait_s)

    def _count(self, piece: Piece, answer: Answer, verdict: Verdict, seconds: float, tally: Counter[str]) -> None:
        tally["requests"] += 1
        tally[f"requests:{answer.status or 'none'}"] += 1
        REQUEST_MS.observe(tally, seconds * 1000)
        if isinstance(verdict, Retry) and verdict.ambiguous:
            tally["ambiguous"] += piece.count
        if isinstance(verdict, Cut) and answer.status is not None and answer.status < HTTP_REDIRECTS:
            tally["failure_bodies"] += 1  # a success by its status, a failure by its body
        if isinstance(verdict, Delivered) and verdict.ids not in (None, piece.count):
            tally["ids_mismatch"] += 1
            self._log.warning("ids_mismatch", batch=piece.key, events=piece.count, ids=verdict.ids)
