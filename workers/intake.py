"""From the stream to batches: take over what ended drains left, read new entries, have them admitted, coalesce."""

import time
from collections.abc import AsyncIterator, Awaitable
from typing import Final, TypeVar

from redis.exceptions import ResponseError

from forwarder.feedback import codec
from forwarder.log import get_logger
from forwarder.queue import in_flight, stream
from forwarder.queue.columns import Columns
from forwarder.queue.connection import AWAY, AsyncClient
from forwarder.queue.in_flight import SUSPICIOUS_AFTER, Claimed
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from forwarder.queue.stream import Entry, entry_of, size_of
from forwarder.settings import Settings
from workers.admission import Admission
from workers.batch import Batch, Capacity
from workers.coalesce import Coalescer
from workers.gate import Gate
from workers.journal import Journal
from workers.patience import patiently
from workers.reader import Read, Reader
from workers.room import LEAST, PER_PERMIT
from workers.session import HandBack, Session
from workers.singles import Singles, are_singles, fitting

Reply = TypeVar("Reply")

READ_BYTES: Final = 2_097_152
"""About as much is asked for in one read, judged by the largest entry of the read before."""
READ_MAX_ENTRIES: Final = 512
"""Also when only small ones were seen: 512 full entries of our own producers would have 128 MiB."""
CLAIM_ENTRIES: Final = 100
CLAIM_EVERY_S: Final = 1.0


class Intake:
    """Reads one partition for one drain.

    Args:
        client: of the queue.
        keys: of the partition.
        session: whose token is the consumer's name, and which ends the reading.
        settings: batch limits, linger, limits of an event.
        gate: nothing is read while the destination is paused.
        journal: settles entries that cannot travel.
    """

    def __init__(
        self, client: AsyncClient, keys: Keys, session: Session, settings: Settings, *, gate: Gate, journal: Journal
    ) -> None:
        upstream = settings.upstream(session.destination)
        self._client = client
        self._keys = keys
        self._session = session
        self._gate = gate
        self._codec = codec(settings.limits)
        self._capacity = Capacity(upstream.batch_max_events, upstream.batch_max_bytes)
        self._admission = Admission(client, session, settings, self._capacity, journal)
        self._coalescer = Coalescer(self._capacity, upstream.batch_linger_ms)
        self._largest = READ_BYTES // 16
        self._per_batch = CLAIM_ENTRIES
        self._reader = Reader(client, keys, session.token, idle_s=session.idle_s, max_bytes=READ_BYTES)
        self._lost_reply = False
        self._claim_at = 0.0
        self._suspect: Batch | None = None
        self._log = get_logger()

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches, until the session is over.

        Raises:
            HandBack: the session ended while the destination was paused or Redis away.
        """
        await patiently(self._session, lambda: run_async(self._client, stream.ensure_group(self._keys)))
        while not self._session.over():
            claimed = await patiently(self._session, self._claimed)
            read = [] if claimed.entries else await patiently(self._session, self._read)
            for batch in await self._made_of(claimed) if claimed.entries else await self._taken(read):
                self._session.go_on()
                yield batch
            if due := self._coalescer.due(_monotonic_ms()):
                self._session.lingers = False
                yield due

    async def end(self) -> None:
        """Nothing is read any more."""
        await self._reader.end()

    def settled(self, batch: Batch) -> None:
        """A batch is done with; if it was a suspect, the next one may be taken."""
        if batch is self._suspect:
            self._suspect = None

    async def _made_of(self, claimed: Claimed) -> list[Batch]:
        """A batch that an ended drain had begun to send is sent again as it was; a suspect goes alone."""
        suspicious = claimed.entries[0].deliveries > SUSPICIOUS_AFTER
        if not claimed.batch and not claimed.attempts and not suspicious:
            return await self._coalesced(claimed.entries)
        loads = [load for entry in claimed.entries if (load := await self._admission.load(entry))]
        if not loads:
            return []
        batch = Batch(loads, claimed.attempts)
        if suspicious:
            self._suspect = batch
        return [batch]

    async def _taken(self, read: Read) -> list[Batch]:
        """The batches that close with what was read."""
        if not isinstance(read, Columns):
            return await self._coalesced([entry_of(raw) for raw in read])
        if are_singles(read, self._codec, self._capacity):
            return self._bundled(read)
        self._reader.one_by_one()
        return await self._coalesced(read.entries())

    def _bundled(self, columns: Columns) -> list[Batch]:
        """The batches that these single entries close."""
        self._coalescer.capacity = self._gate.capacity
        closed: list[Batch] = []
        while columns.ids:
            fit = fitting(columns.values[0], *self._coalescer.free)
            if not fit:
                closed += self._coalescer.shut()
            first, columns = columns.cut(fit or 1)  # one that is larger than a batch may be by now goes alone
            closed += self._coalescer.add(Singles(first), _monotonic_ms())
        return self._closed(closed)

    def _closed(self, closed: list[Batch]) -> list[Batch]:
        self._session.lingers = self._coalescer.waits
        if closed:
            self._per_batch = len(closed[-1].entry_ids)
        return closed

    async def _coalesced(self, entries: list[Entry]) -> list[Batch]:
        """The batches that these entries close."""
        self._coalescer.capacity = self._gate.capacity
        closed: list[Batch] = []
        for entry in entries:
            if load := await self._admission.load(entry):
                closed += self._coalescer.add(load, _monotonic_ms())
        return self._closed(closed)

    async def _claimed(self) -> Claimed:
        await self._ready()
        if time.monotonic() < self._claim_at:
            return Claimed()
        step = in_flight.claim(
            self._keys, self._session.token, min(CLAIM_ENTRIES, self._room), suspects=self._suspect is None
        )
        claimed = await self._heard(run_async(self._client, step))
        if claimed.entries:
            self._noticed([len(entry.body) for entry in claimed.entries])
            self._log.info("claimed", entries=len(claimed.entries), batch=claimed.batch, attempts=claimed.attempts)
        else:
            self._claim_at = time.monotonic() + CLAIM_EVERY_S
        return claimed

    async def _read(self) -> Read:
        await self._ready()
        try:
            read = await self._heard(self._reader.next(self._room, self._coalescer.wait_ms(_monotonic_ms()) / 1000))
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await run_async(self._client, stream.ensure_group(self._keys))  # somebody deleted the stream
            return []
        self._session.opening = False
        if isinstance(read, Columns):
            self._noticed(list(map(len, read.values[0])))
        elif read:
            self._noticed([size_of(raw) for raw in read])
        else:
            self._gate.drop_probe()  # with nothing to send there is no probe; another drain may have something
        return read

    async def _ready(self) -> None:
        """Nothing is read while the destination is paused, nor after a reply was lost.

        Entries may have been handed to us in that reply without our knowing; the next drain finds them pending.
        """
        await self._gate.passed()
        if self._lost_reply:
            await self._client.ping()
            self._session.end("Redis was away")
            raise HandBack

    async def _heard(self, reply: Awaitable[Reply]) -> Reply:
        try:
            return await reply
        except AWAY:
            self._lost_reply = True
            raise

    def _noticed(self, sizes: list[int]) -> None:
        self._session.busy()
        self._largest = max(sizes)

    @property
    def _room(self) -> int:
        """How many entries to ask for: no more than can be under way soon, for another drain may send the others."""
        soon = (PER_PERMIT * self._gate.share + LEAST) * self._per_batch
        return max(1, min(READ_MAX_ENTRIES, READ_BYTES // (self._largest + 1), soon))


def _monotonic_ms() -> float:
    return time.monotonic() * 1000
