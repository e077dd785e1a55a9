"""FORWARDER_INGEST_SPILL: what the queue does not take goes to the local disk, and from there to the queue later.

While a destination's appends fail its groups go to the disk at once, so that callers do not wait for what is known. A
thread of each process resends what lies there, also what an earlier process has left.
"""

import asyncio
import contextlib
import threading
import time
from typing import Final

from forwarder import clock
from forwarder.errors import ForwarderError, QueueFull, QueueUnavailable, SpillFull, SpillUnavailable
from forwarder.feedback import Members
from forwarder.ingest.auth import Caller
from forwarder.ingest.store import QueueStore
from forwarder.log import get_logger
from forwarder.queue.chunk import Chunk
from forwarder.queue.handover import Handed, Handover
from forwarder.queue.stream import new_chunk_id
from forwarder.settings import Settings
from forwarder.spill.file import SpillFile
from forwarder.spill.resend import resend

PATIENCE_S: Final = 1.0
"""For an append before the disk takes its events; FORWARDER_REDIS_TIMEOUT_S when that is less."""
ALONE_S: Final = 1.0
"""How long a destination whose append failed is left alone; then one group tries again."""
LOOK_S: Final = 1.0
"""Between two looks into the file, while nothing of it can be resent."""
END_S: Final = 2.0
"""For the thread to end; what it holds then is claimed, and resent by the next process."""


class SpillingStore:
    """Stores on the queue, or on the disk.

    Args:
        settings: caps and times.
        queue: where events belong.
        spill: where they go when it does not take them.
    """

    def __init__(self, settings: Settings, queue: QueueStore, spill: SpillFile) -> None:
        self._caps = settings.caps
        self._patience_s = min(PATIENCE_S, settings.redis_timeout_s)
        self._queue = queue
        self._spill = spill
        self._alone_until: dict[str, float] = {}
        self._refused = False

    async def append(self, caller: Caller, members: Members) -> None:
        """Store events as a whole or not at all.

        Raises:
            QueueFull, QueueUnavailable: neither the queue nor the disk took them.
        """
        now_ms = clock.now_ms()
        chunk_id = new_chunk_id(self._caps.partitions.get(caller.destination, 1))
        chunk = Chunk(caller.destination, chunk_id, members, caller.source, now_ms)
        error: ForwarderError = QueueUnavailable("it was away a moment ago")
        if self._alone_until.get(chunk.destination, 0.0) <= time.monotonic():
            try:
                await self._queue.append_chunk(chunk, self._patience_s)
            except (QueueFull, QueueUnavailable) as refusal:
                error = refusal
                self._alone_until[chunk.destination] = time.monotonic() + ALONE_S
                if isinstance(refusal, QueueUnavailable):  # it may have them
                    chunk = chunk.doubted(now_ms, self._caps)
            else:
                self._alone_until.pop(chunk.destination, None)
                return
        try:
            await asyncio.to_thread(self._spill.put, [chunk])
        except (SpillFull, SpillUnavailable) as full:
            if not self._refused:  # said once, until the file takes events again
                get_logger().warning("spill_refused", reason=str(full), next="requests are answered 503")
            self._refused = True
            raise error from None
        self._refused = False


class Resender:
    """A thread that appends what lies in the spill file.

    Args:
        settings: of the queue.
        spill: the file.
    """

    def __init__(self, settings: Settings, spill: SpillFile) -> None:
        self._settings = settings
        self._spill = spill
        self._ended = threading.Event()
        self._alone_until: dict[str, float] = {}
        self._log = get_logger()
        self._thread = threading.Thread(target=self._run, name="forwarder-resender", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """End, within END_S."""
        self._ended.set()
        self._thread.join(END_S)

    def _run(self) -> None:
        handover = Handover(self._settings)
        with contextlib.closing(handover):
            while not self._ended.is_set():
                if not self._resent(handover):
                    self._ended.wait(LOOK_S)

    def _resent(self, handover: Handover) -> bool:
        """Append a little; whether to go on at once. Who refuses keeps nobody else waiting."""
        now = time.monotonic()
        without = sorted(name for name, until in self._alone_until.items() if until > now)
        try:
            handed = resend(self._spill, handover, self._settings.caps, without=without)
        except ForwarderError as error:
            self._log.warning("spill_unavailable", reason=str(error))
            handed = Handed()
        except Exception:  # a defect: what is in the file stays there
            self._log.exception("resend_failed")
            handed = Handed()
        if handed.stored:
            self._log.info("resent", events=sum(chunk.members.count for chunk in handed.stored))
        self._alone_until |= {chunk.destination: now + ALONE_S for chunk in handed.refused}
        return bool(handed.stored or handed.refused) and not handed.away
