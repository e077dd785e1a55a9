"""RQ's forking worker, which also sweeps while it is idle and passes a stop on to its horse."""

import contextlib
import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested

from forwarder.log import configure_logging, get_logger
from forwarder.queue.connection import connect, control_url
from forwarder.settings import Settings, load_settings
from workers import jobs  # noqa: F401 - imported before the fork, so that horses start in milliseconds
from workers.rq_classes import QUEUE_NAME, FeedbackJob, FeedbackQueue
from workers.stop import STOP, request_stop
from workers.sweep import Sweep

DEQUEUE_S: Final = 1
"""A turn of the idle worker: how long it waits for a job when it has no stream to wait on."""
GLANCE_S: Final = 0.01
"""How long it looks for a job when it has waited on the streams meanwhile; nought would be for ever."""


class FeedbackWorker(Worker):
    """An RQ worker of the queue `feedback`; works as `rq worker -w workers.worker.FeedbackWorker feedback` too."""

    queue_class = FeedbackQueue  # type: ignore[assignment]  # RQ types it as exactly its own
    job_class = FeedbackJob
    max_connection_wait_time = 5

    def __init__(self, queues: Sequence[Queue | str], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        kwargs.update(queue_class=FeedbackQueue, job_class=FeedbackJob, log_job_description=False)
        names = [queue.name if isinstance(queue, Queue) else queue for queue in queues]  # `rq worker` brings its own
        super().__init__(names, *args, **kwargs)
        settings = load_settings()
        queue = FeedbackQueue(connection=connect(settings, control_url(settings)))
        self._sweep = Sweep(settings, connect(settings), queue)
        self._parent = os.getppid()
        self._burst = False
        self._swept = True
        self._log = get_logger(worker=self.name)

    def work(self, burst: bool = False, *args: Any, **kwargs: Any) -> bool:  # noqa: FBT001, FBT002, ANN401 - as RQ's
        """Work until asked to stop; with `burst`, until nothing waits any more."""
        self._burst = burst
        self._sweep.try_again()
        return super().work(burst, *args, **kwargs)

    @property
    def dequeue_timeout(self) -> int:
        """Seconds of one idle turn; each begins with a sweep."""
        return DEQUEUE_S

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """On every idle turn."""
        return True

    def run_maintenance_tasks(self) -> None:
        """RQ's own, when they are due, and the sweep."""
        if self._stop_requested:
            return
        if os.getppid() != self._parent:
            self._log.warning("stopping", reason="the process that started this worker died")
            raise StopRequested
        if super().should_run_maintenance_tasks:
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        try:
            self._look_for_work()
        except RedisError as error:
            if self._swept:
                self._log.warning("sweep_failed", error=str(error), next="tried again every second")
            self._swept = False
            FeedbackQueue.patience_s = DEQUEUE_S
        else:
            self._swept = True

    def _look_for_work(self) -> None:
        unattended = self._sweep.run(spare=True)
        FeedbackQueue.patience_s = DEQUEUE_S
        if unattended and not self._burst:
            if self._sweep.wait(unattended):
                self._sweep.run(spare=True)
            FeedbackQueue.patience_s = GLANCE_S

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the horse, and tell the horse to end now."""
        if self.horse_pid:
            with contextlib.suppress(ProcessLookupError):  # it ended this very moment
                os.kill(self.horse_pid, signal.SIGUSR1)
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def main_work_horse(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        """In the fork: a stop that arrives before the job begins must not kill it, nor be forgotten."""
        STOP.clear()
        signal.signal(signal.SIGUSR1, request_stop)
        super().main_work_horse(*args, **kwargs)


def run_worker(settings: Settings, *, burst: bool = False) -> None:
    """Run one worker in this process until it is asked to stop."""
    configure_logging(settings)
    worker = FeedbackWorker([QUEUE_NAME], connection=connect(settings, control_url(settings)))
    worker.work(burst, logging_level="DEBUG" if settings.log_level == "debug" else "WARNING")
