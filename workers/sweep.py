"""Find work that nobody does: entries that wait while a drain slot is free; then enqueue a drain on RQ.

Every idle worker sweeps about once a second, and every drain does. The stream is the truth, never the RQ job: a job
that RQ loses leaves a promise that runs out, and the next sweep enqueues another. An idle worker also waits on the
streams, so that a first entry, also one by plain XADD, wakes a drain within milliseconds and producers need to know
nothing of RQ.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError

from forwarder.log import get_logger
from forwarder.queue import lease
from forwarder.queue.connection import BLOCK_MAX_MS, Client
from forwarder.queue.flow import read_flow
from forwarder.queue.keys import Keys
from forwarder.queue.pause import end_pause, get_pause
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from workers.enqueue import enqueue
from workers.errands import Errands
from workers.rq_classes import FeedbackQueue

BEHIND_MS: Final = 1_000
"""An entry that nobody has read for so long is worth another drain, when a worker is idle."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A slot that was promised to a drain.

    Attributes:
        destination: whose stream is to be drained.
        slot: the lease.
    """

    destination: str
    slot: int


class Sweep:
    """Wakes drains.

    Args:
        settings: destinations, drain slots, lease.
        client: of the queue.
        jobs: the RQ queue.
    """

    def __init__(self, settings: Settings, client: Client, jobs: FeedbackQueue) -> None:
        self._settings = settings
        self._client = client
        self._jobs = jobs
        self._turn = list(settings.destination_names)
        self._errands = Errands(settings, client, jobs)
        self._log = get_logger()

    def run(self, *, spare: bool = False) -> dict[str, bytes]:
        """One sweep over all destinations.

        Args:
            spare: a worker is idle, so that further drains of one destination are worth it; without, nothing is
                enqueued while jobs wait already.

        Returns:
            The streams on which nobody waits, each with its newest id.
        """
        unattended: dict[str, bytes] = {}
        self._errands.tell()
        if not spare and self.jobs_wait():
            return unattended
        for destination in self._settings.destination_names:
            if self._paused(destination):
                continue
            woken = self._wake(destination, [0])
            if woken.slot is not None:
                self._enqueue(Promise(destination, woken.slot))
            elif not woken.first_taken:
                unattended[self._keys(destination).events] = woken.newest
            elif spare and (further := self._wake_further(destination)) is not None:
                self._enqueue(Promise(destination, further))
        self._errands.run()
        return unattended

    def try_again(self) -> None:
        """A worker that starts may have brought mended settings: what was paused for wrong ones is probed at once."""
        for destination in self._settings.destination_names:
            if run(self._client, end_pause(self._keys(destination), "settings")):
                self._log.info("pause_ended", destination=destination, reason="a worker started; one probe will tell")

    def take(self) -> Promise | None:
        """Promise one slot to the caller, who drains without RQ; None when there is no work or no slot free.

        Destinations take turns.
        """
        for destination in self._turn:
            if self._paused(destination):
                continue
            slot = self._wake(destination, [0]).slot
            if slot is None:
                slot = self._wake_further(destination)
            if slot is not None:
                self._turn.remove(destination)
                self._turn.append(destination)
                return Promise(destination, slot)
        return None

    def wait(self, unattended: dict[str, bytes]) -> bool:
        """Wait up to a second for an entry on one of these streams; True when one came."""
        return bool(self._client.xread(dict(unattended), count=1, block=BLOCK_MAX_MS))  # type: ignore[arg-type]

    def jobs_wait(self) -> bool:
        """Whether jobs wait on RQ's queue, which means that no worker is free."""
        return self._jobs.count > 0

    def longest_s(self, destination: str) -> float:
        """What a drain never reaches, for its session ends by itself: who does is stuck."""
        settings = self._settings
        last_request_s = max(settings.shutdown_grace_s, settings.upstream(destination).request_timeout_s)
        return settings.drain_session_s + last_request_s + 60

    def _keys(self, destination: str) -> Keys:
        return Keys(destination, prefix=self._settings.key_prefix)

    def _paused(self, destination: str) -> bool:
        return get_pause(self._client, self._keys(destination)) is not None

    def _wake(self, destination: str, slots: Sequence[int], behind_ms: int = 0) -> lease.Woken:
        step = lease.wake(self._keys(destination), slots, self._settings.lease_ttl_s, behind_ms=behind_ms)
        return run(self._client, step)

    def _wake_further(self, destination: str) -> int | None:
        """A slot besides the first, when its drain falls behind, and there are requests for another one to send."""
        at_once = read_flow(self._client, self._keys(destination)).limit.value
        slots = range(1, min(self._settings.max_drains, at_once))
        return self._wake(destination, slots, BEHIND_MS).slot if slots else None

    def _enqueue(self, promise: Promise) -> None:
        """Enqueue a drain; a promise for which none will come is taken back, or nobody else could keep it."""
        try:
            self._enqueue_job(promise)
        except RedisError:
            with contextlib.suppress(RedisError):  # then it runs out
                run(self._client, lease.take_back(self._keys(promise.destination), promise.slot))
            raise

    def _enqueue_job(self, promise: Promise) -> None:
        destination, slot = promise.destination, promise.slot
        enqueue(self._jobs, "drain", self.longest_s(destination), destination=destination, slot=slot)
        self._log.debug("woke", destination=destination, slot=slot)
