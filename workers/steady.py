"""RQ's worker, made to outlive whatever Redis does, and to stop when it is asked, not sooner.

RQ's own loop ends at the first thing that Redis refuses. Here that ends one round of it (StopRequested is how RQ is
told so without a traceback), and `work` begins the next.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, cast

from redis.exceptions import OutOfMemoryError, RedisError
from rq import Worker
from rq.exceptions import StopRequested
from rq.utils import now

from forwarder.log import get_logger
from forwarder.queue.connection import AWAY, Client
from forwarder.queue.rq_keys import VERSION_FIELD
from forwarder.version import own_version
from workers.stop_signals import StopSignals
from workers.trouble import Trouble, passes, without_traceback

RETRY_S: Final = 0.5
"""Between two tries while Redis is in trouble."""


class SteadyWorker(Worker):
    """Rounds of RQ's loop.

    Attributes:
        parent: the process whose death ends this worker; None: nobody's.
        finished: RQ's loop has ended for a reason of its own: a burst, or the most jobs or the longest idle time.
        turns: how often RQ has managed to look for a job.
    """

    parent: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        super().__init__(*args, **kwargs)
        self.finished = False
        self.turns = 0
        self._signals = StopSignals()
        self._trouble = Trouble(worker=self.name)
        self.log.addFilter(without_traceback)
        self._log = get_logger(worker=self.name)
        self._started = False
        self._registered = False

    def work(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - as RQ's
        """Work until asked to stop, or until RQ has a reason of its own; True when the last round ran a job."""
        self._install_signal_handlers()
        self.finished = worked = False
        try:
            with suppress(StopRequested):  # asked between two rounds
                while not self.finished:
                    worked = self._round(*args, **kwargs)
            with suppress(StopRequested):  # Redis does not answer
                self._unregister()
        finally:
            self._signals.end()
        return worked

    def _round(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - as RQ's
        """RQ's loop, until it ends; when it could do nothing at all, something else is tried, or time passes."""
        self._stop_if_asked()
        turns, worked = self.turns, self._work_by_rq(*args, **kwargs)
        self._stop_if_asked()
        if not self.finished and not self._trouble.kind:
            self._log.error("rq_gave_up", reason="see its own line above", next="begun again")
            self._pause()
        elif not self.finished and self.turns == turns:
            self._work_without_rq()
        return worked

    def _work_by_rq(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - as RQ's
        self.executions.clear()  # of a job that could not be begun
        try:
            if not self._started:
                self._on_start()
                self._started = True
            return super().work(*args, **kwargs)
        except RedisError as error:  # before RQ's loop began
            if not (self.turns or passes(error)):
                raise
            self._trouble.note(error)
            return False

    def _on_start(self) -> None:
        """Once in a worker's life, as soon as Redis answers, whether RQ can work or not."""
        self.connection.ping()
        self._log.info("worker_started", queues=self.queue_names())

    def _work_without_rq(self) -> None:
        """RQ could not do a single turn."""
        self._pause()

    def _rq_works(self) -> None:
        """RQ has managed a turn."""
        self.turns += 1
        self._trouble.over()

    def _pause(self) -> None:
        with self._signals.breakable():
            time.sleep(RETRY_S)

    @contextmanager
    def _trouble_ends_the_round(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            self._trouble.note(error)
            raise StopRequested from error

    # Asked to stop

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        """Stop; when a job runs, after it."""
        self._stop_requested = True
        self._signals.arrived()

    def _install_signal_handlers(self) -> None:
        self._signals.install(self.request_stop)

    @property
    def _asked(self) -> int:
        """As `StopSignals.asked`; the death of the parent asks too."""
        orphaned = self.parent is not None and os.getppid() != self.parent
        return self._signals.asked or int(orphaned)

    def _stop_if_asked(self) -> None:
        if self._asked:
            raise StopRequested

    # What RQ does with Redis in its loop

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001 - as RQ's
        """As RQ's: while RQ is suspended, wait, or end the burst."""
        with self._trouble_ends_the_round():
            try:
                super().check_for_suspension(burst)
            except StopRequested:
                self.finished = True
                raise

    def run_maintenance_tasks(self) -> None:
        """As RQ's; what it cannot clean up does not keep the worker from working."""
        with self._trouble_ends_the_round():
            try:
                super().run_maintenance_tasks()  # type: ignore[no-untyped-call] # RQ's
            except (*AWAY, OutOfMemoryError, StopRequested):
                raise
            except Exception as error:  # an id that is not UTF-8, a key that holds something else than RQ wants there
                self._log.error("maintenance_failed", error=str(error)[:200], next="tried again in its time")
                self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ declares it by its first value

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        """As RQ's; registers again when RQ knows us no longer."""
        with self._trouble_ends_the_round():
            if kwargs.get("pipeline") is None and self._forgotten():
                self._register_again()
            super().heartbeat(*args, **kwargs)

    def _forgotten(self) -> bool:
        """Whether Redis has lost what it knew of us, in a restart too quick to be noticed otherwise."""
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.sismember(self.redis_workers_keys, self.key)
            pipeline.hexists(self.key, "birth")
            return self._registered and not all(pipeline.execute())

    def _register_again(self) -> None:
        state = self.get_state()
        self.register_birth()
        self.set_state(state)

    def register_birth(self) -> None:
        """As RQ's; also when what it knows of us is from a former round."""
        self._set_ip_address(self.connection)
        if self._registered:
            self.connection.delete(self.key)
        self._registered = True  # from now on, for the answer may be lost
        super().register_birth()  # type: ignore[no-untyped-call] # RQ's
        self.connection.hset(self.key, VERSION_FIELD, own_version())

    def _set_ip_address(self, connection: Client) -> None:
        """As RQ's, which asks when the worker is made; that a Redis is away is for `work` to outlive."""
        try:
            super()._set_ip_address(connection)
        except AWAY:
            self.ip_address = "unknown"

    def teardown(self) -> None:
        """At the end of a round: listen for commands no more. What RQ knows of us stays until the worker stops."""
        if self.scheduler:
            self.stop_scheduler()  # type: ignore[no-untyped-call] # RQ's
        listener: Any = self.pubsub_thread
        pubsub: Any = self.pubsub
        self.pubsub_thread = None
        if listener and pubsub:
            listener.stop()
            with suppress(RedisError):  # its answer is what the listener waits for
                pubsub.unsubscribe()

    def _unregister(self) -> None:
        """At the worker's end; a Redis that does not take it forgets us by itself."""
        if self._registered and not self._signals.broken_off:
            self._signals.break_off_soon()
            with suppress(RedisError):
                self.register_death()  # type: ignore[no-untyped-call] # RQ's

    def _pubsub_exception_handler(self, exc: Exception, pubsub: Any, pubsub_thread: Any) -> None:  # noqa: ANN401 - as RQ's
        """In the thread that listens for commands. RQ's goes on too, but says so every two seconds."""
        ours: Any = self.pubsub_thread
        if pubsub_thread is not ours:
            return  # it was told to end, and does
        if not isinstance(exc, AWAY):
            super()._pubsub_exception_handler(exc, pubsub, pubsub_thread)
        self._trouble.note(cast("RedisError", exc))
        time.sleep(RETRY_S)
