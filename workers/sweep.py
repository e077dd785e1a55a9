"""Find work that nobody does: entries that wait while a drain slot is free; then enqueue a drain on RQ.

Every idle worker sweeps about once a second, and every drain does. The stream is the truth, never the RQ job: a job
that RQ loses leaves a promise that runs out, and the next sweep enqueues another. An idle worker also waits on the
streams, so that a first entry, also one by plain XADD, wakes a drain within milliseconds and producers need to know
nothing of RQ.
"""

from typing import Final

from forwarder.log import get_logger
from forwarder.queue import lease
from forwarder.queue.connection import BLOCK_MAX_MS, Client
from forwarder.queue.keys import Keys
from forwarder.queue.pause import end_pause, get_pause
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from workers.rq_classes import FeedbackQueue

BEHIND_MS: Final = 1_000
"""An entry that nobody has read for so long is worth another drain, when a worker is idle."""
JOB_TTL_S: Final = 300
FAILURE_TTL_S: Final = 86_400


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
        if not spare and self.jobs_wait():
            return unattended
        for destination in self._settings.destination_names:
            keys = Keys(destination, prefix=self._settings.key_prefix)
            if get_pause(self._client, keys):
                continue
            woken = self._wake(keys, [0])
            if not woken.first_taken:
                unattended[keys.events] = woken.newest
            elif woken.slot is None and spare and self._settings.max_drains > 1:
                self._wake(keys, range(1, self._settings.max_drains), behind_ms=BEHIND_MS)
        return unattended

    def try_again(self) -> None:
        """A worker that starts may have brought mended settings: what was paused for wrong ones is probed at once."""
        for destination in self._settings.destination_names:
            if run(self._client, end_pause(Keys(destination, prefix=self._settings.key_prefix), "settings")):
                self._log.info("pause_ended", destination=destination, reason="a worker started; one probe will tell")

    def wait(self, unattended: dict[str, bytes]) -> bool:
        """Wait up to a second for an entry on one of these streams; True when one came."""
        return bool(self._client.xread(dict(unattended), count=1, block=BLOCK_MAX_MS))  # type: ignore[arg-type]

    def jobs_wait(self) -> bool:
        """Whether jobs wait on RQ's queue, which means that no worker is free."""
        return self._jobs.count > 0

    def _wake(self, keys: Keys, slots: range | list[int], behind_ms: int = 0) -> lease.Woken:
        woken = run(self._client, lease.wake(keys, slots, self._settings.lease_ttl_s, behind_ms=behind_ms))
        if woken.slot is not None:
            self._enqueue(keys, woken.slot)
        return woken

    def _enqueue(self, keys: Keys, slot: int) -> None:
        settings = self._settings
        last_request_s = max(settings.shutdown_grace_s, settings.upstream(keys.destination).request_timeout_s)
        longest_s = settings.drain_session_s + last_request_s + 60  # never reached: a session ends by itself
        self._jobs.enqueue_call(
            "workers.jobs.drain",
            kwargs={"destination": keys.destination, "slot": slot},
            timeout=round(longest_s),
            result_ttl=JOB_TTL_S,
            failure_ttl=FAILURE_TTL_S,
            job_id=f"drain-{keys.destination}-{slot}-{lease.new_token()}",
            description=f"drain {keys.destination}, slot {slot}",
        )
        self._log.debug("woke", destination=keys.destination, slot=slot)
