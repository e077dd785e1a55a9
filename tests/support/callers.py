"""Callers of the HTTP ingest at work, who remember what was taken."""

import contextlib
import threading
from collections.abc import Iterator
from itertools import count

import httpx

from tests.support.ingest import Ingest
from tests.support.rig import Rig
from tests.support.waiting import eventually


class Caller(threading.Thread):
    """A caller that posts one event after the other, each of its own, and remembers which were taken.

    Args:
        ingest: where to.
        prefix: of its trace ids.
    """

    def __init__(self, ingest: Ingest, prefix: str) -> None:
        super().__init__(daemon=True)
        self._ingest = ingest
        self._prefix = prefix
        self._enough = threading.Event()
        self.taken: list[str] = []
        self.refused = 0
        self.broken = 0

    def run(self) -> None:
        """Call until there is enough."""
        client = httpx.Client(base_url=self._ingest.url, trust_env=False, timeout=30)
        for number in count():
            if self._enough.is_set():
                break
            trace_id = f"{self._prefix}-{number}"
            try:
                answer = client.post("/feedback/", json={"trace_id": trace_id, "value": 1})
            except httpx.TransportError:
                self.broken += 1
                continue
            if answer.status_code == 202:
                self.taken.append(trace_id)
            else:
                assert answer.status_code == 503, answer.text
                self.refused += 1
        client.close()

    def stop(self) -> None:
        """The last call has been answered when this returns."""
        self._enough.set()
        self.join(60)


@contextlib.contextmanager
def load(ingest: Ingest, callers: int = 8) -> Iterator[list[Caller]]:
    """Callers at work; stopped at the end."""
    callers_at_work = [Caller(ingest, f"c{number}") for number in range(callers)]
    for caller in callers_at_work:
        caller.start()
    try:
        yield callers_at_work
    finally:
        for caller in callers_at_work:
            caller.stop()


def taken(callers: list[Caller]) -> int:
    """Requests that were answered 202."""
    return sum(len(caller.taken) for caller in callers)


def goes_on(callers: list[Caller], more: int = 100) -> bool:
    """Wait until that many more requests were taken."""
    before = taken(callers)
    return bool(eventually(lambda: taken(callers) >= before + more))


def assert_all_arrived(rig: Rig, callers: list[Caller]) -> None:
    """Every event that was answered 202 is in the sandbox, and the books close."""
    rig.settled(60)
    arrived = rig.sandbox.times_arrived()
    missing = [trace_id for caller in callers for trace_id in caller.taken if trace_id not in arrived]
    assert missing == []
    rig.assert_books_close()
