"""The direct way: each call returns when Redis has the events, or raises."""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Final

from forwarder import forks
from forwarder.client.outcome import FlushResult, Tally
from forwarder.feedback import Members, join
from forwarder.queue.connection import AWAY, connect
from forwarder.queue.durable import run_durably
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, append, new_chunk_id, partition_of
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings

PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4)
"""Between the tries of one append; a queue that is away longer than that is an error."""

_log = logging.getLogger("forwarder.client")


class Direct:
    """Appends in the caller's thread; safe for threads and forks, each has a connection of its own.

    Args:
        settings: of the queue; their durability is what an append has reached when the call returns.
        source: of the events.
    """

    def __init__(self, settings: Settings, *, source: str) -> None:
        self._settings = settings
        self._source = source
        self._client = connect(settings, retries=0)  # redis-py's own retries multiply: of connects by those of commands
        self._lock = threading.Lock()
        self._tally = Tally()
        forks.register(self)

    def send(self, destination: str, event: bytes) -> None:
        """Append one event; raises as `send_many`."""
        self._append(destination, [event])

    def send_many(self, destination: str, events: Iterable[bytes]) -> int:
        """Append events in entries of up to 500; answers how many. What iterating raises goes to the caller.

        Raises:
            QueueFull: the backlog is at its cap; nothing was stored.
            QueueUnavailable: Redis is away or refuses us; it says so when it has the events all the same.
        """
        sent = size = 0
        chunk: list[bytes] = []
        for event in events:
            if chunk and (len(chunk) == CHUNK_MAX_EVENTS or size + len(event) > CHUNK_MAX_BYTES):
                sent += self._append(destination, chunk)
                chunk, size = [], 0
            chunk.append(event)
            size += len(event) + 1  # the comma
        return sent + (self._append(destination, chunk) if chunk else 0)

    def refused(self, destination: str, problem: str) -> None:
        """An event broke the model, and the caller wants it logged."""
        with self._lock:
            self._tally.refused += 1
        _log.warning("a feedback event for %s breaks the model: %s", destination, problem)

    def flush(self, timeout_s: float) -> FlushResult:  # noqa: ARG002 - nothing is ever under way
        """What the calls have appended since the last flush."""
        with self._lock:
            return self._tally.told(pending=0)

    def close(self, timeout_s: float) -> FlushResult:
        """Close the connections."""
        self._client.close()
        return self.flush(timeout_s)

    def hold(self) -> None:
        """See `forks`."""

    def go_on(self) -> None:
        """See `forks`."""

    def begin_anew(self) -> None:
        """See `forks`; redis-py sees to its connections."""
        self._lock, self._tally = threading.Lock(), Tally()

    def _append(self, destination: str, events: list[bytes]) -> int:
        """Append one entry."""
        return self._store(destination, join(events))

    def _store(self, destination: str, members: Members) -> int:
        """Append one entry; repeated after a lost reply, and stored once."""
        chunk_id = new_chunk_id(self._settings.partitions_of(destination))
        step = append(
            Keys(destination, partition_of(chunk_id), self._settings.key_prefix),
            members,
            chunk_id=chunk_id,
            source=self._source,
            caps=self._settings.caps,
        )
        with queue_errors(self._settings):
            self._insist(step)
        with self._lock:
            self._tally.appended += members.count
        return members.count

    def _insist(self, step: Step[str]) -> None:
        """Run a step; again, under the same chunk id, when there was no answer and there is time."""
        until = time.monotonic() + self._settings.redis_timeout_s
        for pause_s in PAUSES_S:
            try:
                self._run(step)
            except AWAY:
                if time.monotonic() > until:
                    raise
            else:
                return
            time.sleep(pause_s)
        self._run(step)

    def _run(self, step: Step[str]) -> None:
        run_durably(self._client, step, self._settings.durability, self._settings.redis_timeout_s)
