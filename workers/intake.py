"""From the stream to batches: read new entries, claim what dead drains left, admit, coalesce."""

import time
from collections.abc import AsyncIterator

from redis.exceptions import ResponseError

from forwarder.feedback import codec
from forwarder.log import get_logger
from forwarder.queue import stream
from forwarder.queue.connection import AWAY, BLOCK_MAX_MS, AsyncClient
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from forwarder.queue.settlement import Recut, recut
from forwarder.queue.stream import Entry
from forwarder.settings import Settings
from workers.admit import admit
from workers.batch import Batch, Capacity, Coalescer
from workers.gate import PauseGate
from workers.patience import patiently
from workers.session import HandBack, Session

READ_BYTES = 2_097_152
"""About as much is asked for in one read, judged by the largest entry of the read before."""
READ_MAX_ENTRIES = 256
"""Also when only small ones were seen: 256 full entries of our own producers have 64 MiB."""
CLAIM_ENTRIES = 100
CLAIM_EVERY_S = 1.0


class Intake:
    """Reads one partition for one drain.

    Args:
        client: of the queue.
        keys: of the partition.
        session: whose token is the consumer's name, and which ends the reading.
        gate: nothing is read while the destination is paused.
        settings: batch limits, linger, limits of an event.
    """

    def __init__(self, client: AsyncClient, keys: Keys, session: Session, gate: PauseGate, settings: Settings) -> None:
        upstream = settings.upstream(session.destination)
        self._client = client
        self._keys = keys
        self._session = session
        self._gate = gate
        self._codec = codec(settings.limits)
        self._capacity = Capacity(upstream.batch_max_events, upstream.batch_max_bytes)
        self._coalescer = Coalescer(self._capacity, upstream.batch_linger_ms)
        self._largest = READ_BYTES // 16
        self._lost_reply = False
        self._claim_at = 0.0
        self._log = get_logger()

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches, until the session is over.

        Raises:
            HandBack: the session ended while the destination was paused or Redis away.
        """
        await patiently(self._session, lambda: stream.ensure_group(self._client, self._keys))
        while not self._session.over():
            for entry in await patiently(self._session, self._entries):
                self._session.go_on()
                for batch in await self._take(entry):
                    yield batch
            if due := self._coalescer.due(_now_ms()):
                yield due
        if not self._session.hurried and (last := self._coalescer.flush()):
            yield last

    async def _take(self, entry: Entry) -> list[Batch]:
        """Admit an entry; answers the batches that it closes."""
        admitted = admit(entry, self._codec, self._capacity)
        if isinstance(admitted, Recut):
            await patiently(self._session, lambda: self._recut(admitted))
            return []
        return self._coalescer.add(admitted, _now_ms())

    async def _entries(self) -> list[Entry]:
        await self._gate.passed()
        if self._lost_reply:  # entries may have been handed to us without our knowing; the next drain claims them
            await self._client.ping()
            self._session.end("Redis was away")
            raise HandBack
        entries = await self._claimed() or await self._read()
        if entries:
            self._session.busy()
            self._largest = max(len(entry.body) for entry in entries)
        return entries

    @property
    def _room(self) -> int:
        """How many entries to ask for."""
        return max(1, min(READ_MAX_ENTRIES, READ_BYTES // (self._largest + 1)))

    async def _claimed(self) -> list[Entry]:
        if time.monotonic() < self._claim_at:
            return []
        step = stream.claim(self._keys, self._session.token, min(CLAIM_ENTRIES, self._room))
        entries = await run_async(self._client, step)
        if entries:
            self._log.info("claimed", entries=len(entries))
        else:
            self._claim_at = time.monotonic() + CLAIM_EVERY_S
        return entries

    async def _read(self) -> list[Entry]:
        wait_ms = max(0, round(min(self._coalescer.wait_ms(_now_ms()), BLOCK_MAX_MS)))
        try:
            return await stream.read(self._client, self._keys, self._session.token, self._room, wait_ms)
        except AWAY:
            self._lost_reply = True
            raise
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await stream.ensure_group(self._client, self._keys)  # somebody deleted the stream
            return []

    async def _recut(self, cut: Recut) -> None:
        await run_async(self._client, recut(self._keys, cut))
        self._log.info("recut", entry=cut.entry.id.decode(), pieces=len(cut.pieces), letters=len(cut.letters))


def _now_ms() -> float:
    return time.monotonic() * 1000
