"""Chunks handed over to Redis, and what became of each: stored, certainly not stored, or perhaps."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from forwarder.clock import now_ms
from forwarder.errors import ForwarderError
from forwarder.queue.chunk import Chunk
from forwarder.queue.connection import connect, reach
from forwarder.queue.durable import run_all_durably
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.queue.tally import count_drops
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of chunks.

    Attributes:
        stored: Redis has them, now or since an earlier try.
        refused: Redis does not have them: it could not be reached, or would not take them.
        unanswered: it may have them.
        away: why Redis cannot be spoken with, and what mends it; empty when it can.
        refusal: why it would not take some of the refused, and what mends it; empty when it took all.
    """

    stored: Sequence[Chunk] = ()
    refused: Sequence[Chunk] = ()
    unanswered: Sequence[Chunk] = ()
    away: str = ""
    refusal: str = ""


@dataclass(slots=True)
class _Sorted:
    stored: list[Chunk] = field(default_factory=list)
    refused: list[Chunk] = field(default_factory=list)
    refusal: str = ""


class Handover:
    """One process's line to the queue; used by one thread.

    It tries once, and waits about FORWARDER_REDIS_TIMEOUT_S to connect, and as long for an answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings, retries=0)

    def reach(self) -> str:
        """Connect, if that is needed; why not, or an empty text."""
        try:
            with queue_errors(self._settings):
                reach(self._client)
        except ForwarderError as error:
            return str(error)
        return ""

    def hand_over(self, chunks: Sequence[Chunk]) -> Handed:
        """Append chunks with one round trip; what is not as durable as FORWARDER_DURABILITY wants it is unanswered."""
        if away := self.reach():
            return Handed(refused=chunks, away=away)
        settings, begun_ms = self._settings, now_ms()
        steps = [chunk.step(settings.key_prefix, settings.caps, begun_ms) for chunk in chunks]
        try:
            with queue_errors(self._settings):
                answers = run_all_durably(self._client, steps, settings.durability, settings.redis_timeout_s)
        except ForwarderError as error:
            return Handed(unanswered=chunks, away=str(error))
        sorted_ = _Sorted()
        for chunk, answer in zip(chunks, answers, strict=True):
            if isinstance(answer, str):
                sorted_.stored.append(chunk)
            else:
                sorted_.refused.append(chunk)
                sorted_.refusal = sorted_.refusal or self._worded(answer)
        return Handed(sorted_.stored, sorted_.refused, refusal=sorted_.refusal)

    def count_drops(self, destination: str, drops: Mapping[str, int], report_id: str) -> str:
        """Tell the ledger of drops by reason; why that was not possible, or an empty text."""
        keys = Keys(destination, prefix=self._settings.key_prefix)
        try:
            with queue_errors(self._settings):
                run(self._client, count_drops(keys, drops, report_id=report_id, caps=self._settings.caps))
        except ForwarderError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(RedisError, OSError):
            self._client.close()

    def _worded(self, error: RedisError | ForwarderError) -> str:
        try:
            with queue_errors(self._settings):
                raise error
        except ForwarderError as worded:
            return str(worded)
