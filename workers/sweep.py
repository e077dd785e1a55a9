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
from forwarder.queue import lease, stream
from forwarder.queue.connection import BLOCK_MAX_MS, Client
from forwarder.queue.flow import read_flow
from forwarder.queue.keys import Keys
from forwarder.queue.partitions import Partitions
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
        keys: of the partition whose stream is to be drained.
        slot: the lease.
    """

    keys: Keys
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
        self._partitions = Partitions(settings, client)
        self._taken: dict[Keys, int] = {}
        self._errands = Errands(settings, client, jobs, self._partitions)
        self._log = get_logger()

    def run(self, *, spare: bool = False) -> dict[str, bytes]:
        """One sweep over all partitions of all destinations.

        Args:
            spare: a worker is idle, so that further drains of one partition are worth it; without, nothing is
                enqueued while jobs wait already.

        Returns:
            The streams on which nobody waits, each with its newest id.
        """
        unattended: dict[str, bytes] = {}
        self._errands.tell()
        if not spare and self.jobs_wait():
            return unattended
        for destination in self._settings.destination_names:
            if not self._paused(destination):
                for keys in self._partitions.of(destination):
                    self._see_to(keys, unattended, spare=spare)
        self._errands.run()
        return unattended

    def _see_to(self, keys: Keys, unattended: dict[str, bytes], *, spare: bool) -> None:
        woken = self._wake(keys, [0])
        if woken.slot is not None:
            self._enqueue(Promise(keys, woken.slot))
        elif not woken.first_taken:
            unattended[keys.events] = woken.newest
        elif spare and (further := self._wake_further(keys)) is not None:
            self._enqueue(Promise(keys, further))

    def try_again(self) -> None:
        """A worker that starts may have brought mended settings: what was paused for wrong ones is probed at once."""
        for destination in self._settings.destination_names:
            if run(self._client, end_pause(self._keys(destination), "settings")):
                self._log.info("pause_ended", destination=destination, reason="a worker started; one probe will tell")

    def take(self) -> Promise | None:
        """Promise one slot to the caller, who drains without RQ; None when there is no work or no slot free.

        Partitions take turns.
        """
        open_ones = [name for name in self._settings.destination_names if not self._paused(name)]
        partitions = [keys for name in open_ones for keys in self._partitions.of(name)]
        for keys in sorted(partitions, key=lambda keys: self._taken.get(keys, 0)):
            slot = self._wake(keys, [0]).slot
            if slot is None:
                slot = self._wake_further(keys)
            if slot is not None:
                self._taken[keys] = max(self._taken.values(), default=0) + 1
                return Promise(keys, slot)
        return None

    def wait(self, unattended: dict[str, bytes]) -> bool:
        """Wait up to a second for an entry on one of these streams; True when one came."""
        return stream.wait(self._client, unattended, BLOCK_MAX_MS)

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

    def _wake(self, keys: Keys, slots: Sequence[int], behind_ms: int = 0) -> lease.Woken:
        step = lease.wake(keys, slots, self._settings.lease_ttl_s, behind_ms=behind_ms)
        return run(self._client, step)

    def _wake_further(self, keys: Keys) -> int | None:
        """A slot besides the first, when its drain falls behind, and there are requests for another one to send.

        The bounds are the destination's: each of its partitions has its share, but at least one drain.
        """
        at_once = read_flow(self._client, keys).limit.value
        drains = min(self._settings.max_drains, at_once) // len(self._partitions.of(keys.destination))
        return self._wake(keys, range(1, drains), BEHIND_MS).slot if drains > 1 else None

    def _enqueue(self, promise: Promise) -> None:
        """Enqueue a drain; a promise for which none will come is taken back, or nobody else could keep it."""
        try:
            self._enqueue_job(promise)
        except RedisError:
            with contextlib.suppress(RedisError):  # then it runs out
                run(self._client, lease.take_back(promise.keys, promise.slot))
            raise

    def _enqueue_job(self, promise: Promise) -> None:
        keys, slot = promise.keys, promise.slot
        enqueue(self._jobs, "drain", self.longest_s(keys.destination), keys, slot=slot)
        self._log.debug("woke", destination=keys.destination, partition=keys.partition, slot=slot)
