"""The worker of the queue `feedback`: sweeps while it is idle, drains by RQ, and without it on a full Redis."""

import os
import time
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import OutOfMemoryError, RedisError
from rq import Queue
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.suspension import is_suspended
from rq.worker import WorkerStatus

from forwarder.log import configure_logging
from forwarder.queue.connection import AWAY, connect, control_url, queue_url
from forwarder.settings import Settings, load_settings
from workers import jobs
from workers.rescue import fork_drain
from workers.rq_classes import QUEUE_NAME, FeedbackJob, FeedbackQueue
from workers.sweep import Promise, Sweep
from workers.trouble import FULL
from workers.watching import WatchingWorker

DEQUEUE_S: Final = 1
"""A turn of the idle worker: how long it waits for a job when it has no stream to wait on."""
GLANCE_S: Final = 0.01
"""How long it looks for a job when it has waited on the streams meanwhile; nought would be for ever."""

Taken = tuple[Job, Queue]


class FeedbackWorker(WatchingWorker):
    """Works as `rq worker -w workers.worker.FeedbackWorker feedback` too."""

    queue_class = FeedbackQueue  # type: ignore[assignment]  # RQ types it as exactly its own
    job_class = FeedbackJob

    def __init__(self, queues: Sequence[Queue | str], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        kwargs.update(queue_class=FeedbackQueue, job_class=FeedbackJob, log_job_description=False)
        names = [queue.name if isinstance(queue, Queue) else queue for queue in queues]  # `rq worker` brings its own
        super().__init__(names, *args, **kwargs)
        self._settings = settings = load_settings()
        jobs.inherit(settings)
        self.grace_s = settings.shutdown_grace_s
        queue = FeedbackQueue(connection=connect(settings, control_url(settings)))
        self._sweep = Sweep(settings, connect(settings), queue)
        self._burst = False
        self._swept = True

    def work(self, burst: bool = False, *args: Any, **kwargs: Any) -> bool:  # noqa: FBT001, FBT002, ANN401 - as RQ's
        """Work until asked to stop; with `burst`, until nothing waits any more."""
        self._burst = burst
        return super().work(burst, *args, **kwargs)

    def _on_start(self) -> None:
        super()._on_start()
        self._sweep.try_again()

    @property
    def dequeue_timeout(self) -> int:
        """Seconds of one idle turn; each begins with a sweep."""
        return DEQUEUE_S

    @property
    def connection_timeout(self) -> int:
        """Seconds that an answer of Redis may take, a turn included."""
        return DEQUEUE_S + 4

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Taken | None:
        """Idle turns until a job comes; None when `burst` or `max_idle_time` says that none will.

        RQ's own sits an outage out in here, and says so at every try.
        """
        began = time.monotonic()
        with self._trouble_ends_the_round():
            self.set_state(WorkerStatus.IDLE)
            self.procline(f"Listening on {','.join(self.queue_names())}")  # type: ignore[no-untyped-call] # RQ's
            while True:
                try:
                    taken = self._turn(timeout)
                except DequeueTimeout:
                    if max_idle_time is None or time.monotonic() - began < max_idle_time:
                        continue
                    taken = None
                self.finished = taken is None
                return taken

    def _turn(self, timeout: int | None) -> Taken | None:
        """Sweep, then wait for a job.

        Raises:
            DequeueTimeout: none came in time; without a timeout the answer is None then.
        """
        self._stop_if_asked()
        self.heartbeat()
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        self._look_for_work()
        try:
            taken = self._dequeue(timeout)
        except DequeueTimeout:
            self._rq_works()
            raise
        self._rq_works()
        return taken

    def _dequeue(self, timeout: int | None) -> Taken | None:
        taken = self.queue_class.dequeue_any(
            self._ordered_queues,
            timeout,
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
            death_penalty_class=self.death_penalty_class,
        )
        if taken:
            job, queue = taken
            self.reorder_queues(reference_queue=queue)
            job.redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call] # RQ's
            self.log.info("Worker %s: %s: %s", self.name, queue.name, job.id)
        return taken

    def _look_for_work(self) -> None:
        try:
            self._sweep_and_wait()
        except (*AWAY, OutOfMemoryError):
            raise  # ends the round
        except RedisError as error:
            if self._swept:
                self._log.warning("sweep_failed", error=str(error), next="tried again every second")
            self._swept = False
            FeedbackQueue.patience_s = DEQUEUE_S
        else:
            self._swept = True

    def _sweep_and_wait(self) -> None:
        unattended = self._sweep.run(spare=True)
        FeedbackQueue.patience_s = DEQUEUE_S
        if unattended and not self._burst and not self._sweep.jobs_wait():
            with self._signals.breakable():
                came = self._sweep.wait(unattended)
            if came:
                self._sweep.run(spare=True)
            FeedbackQueue.patience_s = GLANCE_S

    def _work_without_rq(self) -> None:
        """RQ could not do a single turn: drain without it when that helps, else wait a moment."""
        promise = None
        try:
            if self._rq_is_in_the_way():
                promise = self._sweep.take()
                self.finished = self._burst and promise is None
            if promise:
                self._drain_without_rq(promise)
                return
        except RedisError as error:
            self._trouble.note(error)
        except OSError as error:  # no memory or no process left for now
            self._log.warning("horse_not_forked", error=str(error), next="tried again")
        self._pause()

    def _rq_is_in_the_way(self) -> bool:
        """Whether a drain could work while RQ cannot: its server is full, or away and another one than the queue's."""
        if self._trouble.kind == FULL:
            return not is_suspended(self.connection)
        return control_url(self._settings) != queue_url(self._settings)

    def _drain_without_rq(self, promise: Promise) -> None:
        destination, partition, slot = promise.keys.destination, promise.keys.partition, promise.slot
        self._log.warning("drain_without_rq", destination=destination, slot=slot, partition=partition)
        ended = self.run_horse(lambda: fork_drain(destination, slot, partition), self._sweep.longest_s(destination))
        if ended.status != os.EX_OK:
            self._log.warning(
                "horse_died", horse=ended.pid, exit_code=ended.exit_code, next="the next drain takes over"
            )


def run_worker(settings: Settings, parent: int, *, burst: bool = False) -> None:
    """Run one worker in this process until it is asked to stop, or its parent dies.

    Args:
        settings: in force.
        parent: the process that started this one.
        burst: end when nothing waits any more.
    """
    configure_logging(settings)
    worker = FeedbackWorker([QUEUE_NAME], connection=connect(settings, control_url(settings)))
    worker.parent = parent
    worker.work(burst, logging_level="DEBUG" if settings.log_level == "debug" else "WARNING")
