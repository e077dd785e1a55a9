"""A steady worker and its horse: watched to its end whatever Redis does, and told when the worker is to stop."""

import math
import time
from collections.abc import Callable
from resource import struct_rusage
from typing import Any, Final

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from rq import Queue
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import BaseDeathPenalty
from rq.worker import WorkerStatus

from forwarder.queue.connection import AWAY
from workers.horse import Ended, Horse
from workers.steady import RETRY_S, SteadyWorker
from workers.stop import signals_held, stop_on_signals
from workers.trouble import reason

MARGIN_S: Final = 60.0
"""What a job gets beyond its timeout, by which it ends itself."""
LOOK_S: Final = 0.05
"""Between two looks at a running horse."""


class _NoAlarm(BaseDeathPenalty):
    """RQ's limit of its wait for a horse that has ended already; the alarm is ours meanwhile."""

    def setup_death_penalty(self) -> None:
        """Nothing is limited."""

    def cancel_death_penalty(self) -> None:
        """Nothing was."""


class WatchingWorker(SteadyWorker):
    """Has one horse at most.

    Attributes:
        grace_s: for what a horse has in flight when it is told to end.
        jobs: how many it has run.
    """

    grace_s: float = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        super().__init__(*args, **kwargs)
        self.jobs = 0
        self._max_jobs: int | None = None
        self._ended: Ended | None = None

    def work(self, *args: Any, max_jobs: int | None = None, **kwargs: Any) -> bool:  # noqa: ANN401 - as RQ's
        """As a steady worker's; RQ would begin to count the jobs anew in each round."""
        self._max_jobs = max_jobs
        super().work(*args, **kwargs)
        return self.jobs > 0

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job in a horse, and book how it ended."""
        try:
            with self._trouble_ends_the_round():
                self._execute(job, queue)
        finally:
            self._unwatch()
            self.jobs += 1
            self.finished = self._max_jobs is not None and self.jobs >= self._max_jobs
        if self.finished:
            raise StopRequested
        self._stop_if_asked()

    def _execute(self, job: Job, queue: Queue) -> None:
        """As RQ's; a key beside the job that holds something else than RQ wants there ends that job alone."""
        try:
            super().execute_job(job, queue)
        except (*AWAY, OutOfMemoryError):
            raise
        except ResponseError as error:
            self.executions.clear()
            queue.intermediate_queue.remove(job.id)
            self._log.error("job_not_run", job=job.id, error=str(error)[:200], next="the sweep asks for another")

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """As RQ's; a signal waits until both sides are ready for it."""
        self._signals.watching = True
        with signals_held():
            super().fork_work_horse(job, queue)

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Watch the horse to its end; then RQ books it, which finds it ended."""
        timeout_s = job.timeout or self.queue_class.DEFAULT_TIMEOUT
        longest_s = timeout_s + MARGIN_S if timeout_s > 0 else math.inf
        self._ended = self._watch(longest_s, lambda: self.maintain_heartbeats(job, execution))
        alarm, self.death_penalty_class = self.death_penalty_class, _NoAlarm
        try:
            with self._signals.bounded(lambda: self._asked):
                super().monitor_work_horse(job, queue, execution)
        finally:
            self.death_penalty_class = alarm
            self._unwatch()

    def wait_for_horse(self) -> tuple[int | None, int | None, struct_rusage | None]:
        """How the horse ended, for RQ."""
        if self._ended is None:
            return super().wait_for_horse()
        return self._ended.pid, self._ended.status, self._ended.usage

    def run_horse(self, fork: Callable[[], int], longest_s: float) -> Ended:
        """Run another horse than RQ's, in the same way.

        Args:
            fork: begins it, and answers its pid.
            longest_s: after which it is told to end.
        """
        self._signals.watching = True
        try:
            self._state = WorkerStatus.BUSY
            self._horse_pid = fork()
            return self._watch(longest_s, self.heartbeat)
        finally:
            self._horse_pid = 0
            self._unwatch()

    def _watch(self, longest_s: float, beat: Callable[[], None]) -> Ended:
        horse = Horse(self.horse_pid, grace_s=self.grace_s, longest_s=longest_s)
        beaten_at = time.monotonic()
        while not (ended := horse.ended()):
            horse.press(self._asked)
            pause_s = RETRY_S if self._trouble.kind else self.job_monitoring_interval
            if time.monotonic() > beaten_at + pause_s and not self._asked:
                self._beat(beat)
                beaten_at = time.monotonic()
            time.sleep(LOOK_S)
        return ended

    def _beat(self, beat: Callable[[], None]) -> None:
        """Tell RQ that we live; whatever comes of it, the horse is left alone and watched on."""
        try:
            with self._signals.breakable():
                if self._trouble.kind or self._forgotten():
                    self._register_again()
                beat()
                self._trouble.over()
        except StopRequested:
            return  # the horse is told next
        except RedisError as error:
            self._trouble.note(error)
        except Exception:
            self._log.exception("beat_failed", next="the horse is watched on")

    def _unwatch(self) -> None:
        self._ended = None
        self._signals.watching = False
        if self._signals.asked:
            self._signals.break_off_soon()

    # In the horse

    def setup_work_horse_signals(self) -> None:
        """A stop that comes before the job begins must not kill it, nor be forgotten."""
        stop_on_signals()

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run the job; that RQ could not book it is no failure of the drain, whose events are settled."""
        try:
            return super().perform_job(job, queue, execution)
        except RedisError as error:
            self._log.warning("job_not_booked", job=job.id, error=str(error), next="RQ takes it for abandoned")
            return False

    def handle_exception(self, job: Job, *exc_info: Any) -> None:  # noqa: ANN401 - as RQ's
        """As RQ's; when Redis was away for the moment in which the job's end was booked, one line says it."""
        error = exc_info[1] if len(exc_info) > 1 else None
        if isinstance(error, RedisError):
            self._log.warning("job_not_booked", job=job.id, error=reason(error), next="RQ takes it for failed")
            return
        super().handle_exception(job, *exc_info)
