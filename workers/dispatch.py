"""See a batch through to its outcome: try, wait and try again, cut what is refused until the refused stand alone."""

import asyncio
import random
import time
from collections import Counter, deque
from typing import Protocol

from forwarder.log import get_logger
from forwarder.settings import Upstream
from workers.backoff import delay_s, retry_after_s
from workers.batch import Batch, Piece
from workers.outcome import Outcome, Ruling
from workers.session import HandBack, Session
from workers.verdict import Answer, Delivered, Retry, Stop, Verdict, classify


class Poster(Protocol):
    """What sends a body once."""

    async def post(self, body: bytes, key: str) -> Answer:
        """Send it under this Idempotency-Key."""


class Gate(Protocol):
    """Open unless the destination is paused."""

    async def passed(self) -> None:
        """Wait until it is open."""

    async def close(self, reason: str) -> None:
        """Pause the destination for everybody."""


class Dispatcher:
    """Sends the batches of one drain.

    Args:
        upstream: how often and how long to try.
        poster: sends a body once.
        gate: closed while the destination is paused.
        session: ends waiting when the drain ends.
    """

    def __init__(self, upstream: Upstream, poster: Poster, gate: Gate, session: Session) -> None:
        self._upstream = upstream
        self._poster = poster
        self._gate = gate
        self._session = session
        self._permits = asyncio.Semaphore(upstream.concurrency_max)
        self._log = get_logger()

    async def dispatch(self, batch: Batch) -> Outcome:
        """Send a batch until each of its events is delivered or refused, or the session ends.

        A cancellation is the hard end of a session: the outcome so far is answered, and what was under way is counted
        as ambiguous.
        """
        outcome = Outcome(batch)
        pieces = deque([batch.whole()])
        while pieces:
            piece = pieces.popleft()
            try:
                ruling = await self._insist(piece, outcome)
            except (HandBack, asyncio.CancelledError) as end:
                outcome.rest = [piece, *pieces]
                if isinstance(end, asyncio.CancelledError):
                    outcome.tally["ambiguous"] += piece.count
                return outcome
            pieces.extend(outcome.note(piece, ruling))
            if outcome.hopeless:
                outcome.refusals += [ruling.refusal(left, "unproven") for left in pieces]
                break
        return outcome

    async def _insist(self, piece: Piece, outcome: Outcome) -> Ruling:
        """Try until there is an answer that is not `try again later`, or the tries are spent."""
        began = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            await self._gate.passed()
            async with self._permits:
                self._session.go_on()
                answer = await self._poster.post(piece.body, piece.key)
            verdict = classify(answer)
            self._count(piece, answer, verdict, outcome.tally)
            if isinstance(verdict, Stop):
                attempt -= 1  # the destination's fault: no try is burnt
                await self._gate.close(verdict.error)
            elif not isinstance(verdict, Retry) or self._spent(attempt, time.monotonic() - began):
                return Ruling(verdict, answer.status, attempt)
            else:
                await self._back_off(piece, verdict, attempt, outcome.tally)

    def _spent(self, attempt: int, age_s: float) -> bool:
        return attempt >= self._upstream.retry_max_attempts or age_s > self._upstream.retry_max_age_s

    async def _back_off(self, piece: Piece, verdict: Retry, attempt: int, tally: Counter[str]) -> None:
        settings = self._upstream
        asked_s = retry_after_s(verdict.retry_after, time.time(), settings.retry_after_max_s)
        wait_s = delay_s(attempt, settings.retry_base_ms, settings.retry_max_ms, random.random(), asked_s)  # noqa: S311 - jitter
        tally["retries"] += 1
        self._log.info("retry", batch=piece.key, attempt=attempt, cause=verdict.cause, wait_s=round(wait_s, 3))
        await self._session.sleep(wait_s)

    def _count(self, piece: Piece, answer: Answer, verdict: Verdict, tally: Counter[str]) -> None:
        tally["requests"] += 1
        tally[f"requests:{answer.status or 'none'}"] += 1
        if isinstance(verdict, Retry) and verdict.ambiguous:
            tally["ambiguous"] += piece.count
        if isinstance(verdict, Delivered) and verdict.ids not in (None, piece.count):
            tally["ids_mismatch"] += 1
            self._log.warning("ids_mismatch", batch=piece.key, events=piece.count, ids=verdict.ids)
