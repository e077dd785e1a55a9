"""Producers of every kind at work in threads, until they are told to end; they note what they were promised."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from forwarder.errors import ForwarderError
from tests.support.ingest import Ingest
from tests.support.rig import Rig

PAUSE_S = 0.01
FLUSH_S = 60


class Load:
    """Events by direct calls, by HTTP and by a buffered client.

    Args:
        rig: has the queue.

    Attributes:
        acknowledged: trace ids that were accepted.
    """

    def __init__(self, rig: Rig) -> None:
        self.acknowledged: set[str] = set()
        self.refused = 0
        self._rig = rig
        self._over = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Produces meanwhile; at the end everything that was taken is on the queue."""
        with Ingest(self._rig) as ingest:
            kinds: list[Callable[[], None]] = [self._direct, self._buffered, lambda: self._ingested(ingest)]
            threads = [threading.Thread(target=kind, daemon=True) for kind in kinds]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._over.set()
                for thread in threads:
                    thread.join(2 * FLUSH_S)

    def _note(self, *trace_ids: str, taken: bool) -> None:
        with self._lock:
            self.acknowledged.update(trace_ids if taken else ())
            self.refused += 0 if taken else len(trace_ids)

    def _numbers(self) -> Iterator[int]:
        number = 0
        while not self._over.is_set():
            yield number
            number += 1
            time.sleep(PAUSE_S)

    def _direct(self) -> None:
        with self._rig.client() as client:
            for number in self._numbers():
                trace_ids = [f"direct-{number}-{event}" for event in range(5)]
                try:
                    client.send_many({"trace_id": trace_id, "value": 1} for trace_id in trace_ids)
                    self._note(*trace_ids, taken=True)
                except ForwarderError:
                    self._note(*trace_ids, taken=False)

    def _buffered(self) -> None:
        with self._rig.client(mode="buffered") as client:
            for number in self._numbers():
                client.send(trace_id=f"buffered-{number}", value=1)
                self._note(f"buffered-{number}", taken=True)
            assert client.flush(FLUSH_S).pending == 0

    def _ingested(self, ingest: Ingest) -> None:
        for number in self._numbers():
            try:
                answer = ingest.post({"trace_id": f"ingested-{number}", "value": 1})
                self._note(f"ingested-{number}", taken=answer.status_code == 202)
            except httpx.HTTPError:
                self._note(f"ingested-{number}", taken=False)
