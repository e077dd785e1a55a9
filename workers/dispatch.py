"""See a batch through to its outcome: try, wait and try again, cut what is refused until the refused stand alone."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from forwarder.log import get_logger
from forwarder.settings import Upstream
from workers.backoff import delay_s, retry_after_s
from workers.batch import Batch, Piece
from workers.session import HandBack, Session
from workers.verdict import Answer, Cut, Delivered, Retry, Stop, Verdict, classify

PROBES_MAX: Final = 60
"""Requests after which a batch of which nothing was accepted is given up; while some of it is accepted, it is worked
through to the end, with at most two requests per event."""


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Events that are refused for good, and why."""

    piece: Piece
    reason: str
    error: str
    status: int | None
    attempts: int


@dataclass(slots=True)
class Outcome:
    """What became of a batch: what is neither refused nor left is delivered.

    Attributes:
        batch: the batch.
        refusals: what was refused.
        rest: what had no outcome when the session ended.
        accepted: events that were delivered.
        rejections: requests that were refused because of some event.
        tally: counters of the ledger that its requests have earned.
    """

    batch: Batch
    refusals: list[Refusal] = field(default_factory=list)
    rest: list[Piece] = field(default_factory=list)
    accepted: int = 0
    rejections: int = 0
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def hopeless(self) -> bool:
        """Whether the probing has used up its budget, and nothing was accepted: then the upstream wants none of it."""
        return not self.accepted and self.rejections >= PROBES_MAX

    @property
    def refused(self) -> int:
        """The events that were refused."""
        return sum(refusal.piece.count for refusal in self.refusals)

    @property
    def undecided(self) -> bool:
        """Whether nothing is known of any event: then the batch stays pending as it is."""
        return sum(piece.count for piece in self.rest) == self.batch.count


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
                verdict, status, attempts = await self._insist(piece, outcome)
            except (HandBack, asyncio.CancelledError) as end:
                outcome.rest = [piece, *pieces]
                if isinstance(end, asyncio.CancelledError):
                    outcome.tally["ambiguous"] += piece.count
                return outcome
            pieces.extend(self._decide(outcome, piece, verdict, status, attempts))
            if outcome.hopeless:
                outcome.refusals += [Refusal(one, "unproven", _words(verdict), status, attempts) for one in pieces]
                break
        return outcome

    def _decide(
        self, outcome: Outcome, piece: Piece, verdict: Verdict, status: int | None, attempts: int
    ) -> Sequence[Piece]:
        """Note what became of a piece; answers the pieces to send instead.

        They are sent after those that wait, so that a batch is probed all over before any part of it in depth.
        """
        if isinstance(verdict, Delivered):
            outcome.accepted += piece.count
        elif isinstance(verdict, Retry):
            outcome.refusals.append(Refusal(piece, "exhausted", verdict.error, status, attempts))
        elif isinstance(verdict, Cut):
            outcome.rejections += verdict.reason == "rejected"
            if piece.count > 1:
                return piece.halves()
            outcome.refusals.append(Refusal(piece, verdict.reason, verdict.error, status, attempts))
        return ()

    async def _insist(self, piece: Piece, outcome: Outcome) -> tuple[Verdict, int | None, int]:
        """Try until there is an answer that is not `try again later`; answers with that, its status and the tries."""
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
                return verdict, answer.status, attempt
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


def _words(verdict: Verdict) -> str:
    return verdict.error if isinstance(verdict, Cut) else ""
