"""RQ's job and queue, narrowed to this project's own job functions.

By default whoever can write to an RQ key can run any importable function in the worker, also with the JSON serializer,
and can end the worker with a value that RQ does not expect. Here a job is a call of an allow-list's function that fits
its parameters, read from the few fields that such a job has; anything else is no job, and is passed over. The classes
are forced: by the queue, because maintenance and pools build jobs from the queue's class, and upon RQ's registries and
scheduler, because those name their classes themselves.
"""

import inspect
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from redis import Redis
from redis.exceptions import ResponseError
from rq import Queue, registry, scheduler
from rq.exceptions import DeserializationError, InvalidJobOperation, NoSuchJobError, StopRequested
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from forwarder.log import get_logger

QUEUE_NAME: Final = "feedback"
ALLOWED: Final = ("workers.jobs.drain", "workers.jobs.replay", "workers.jobs.trim", "workers.jobs.notify")
"""The functions that a job may name."""
DATA_MAX_BYTES: Final = 65_536
TIME_MAX_S: Final = 1_000_000
"""Of a job's timeout and of how long RQ keeps it; each must be given."""

_KEPT: Final = (
    *(b"data", b"origin", b"description", b"status", b"timeout", b"result_ttl", b"failure_ttl", b"worker_name"),
    *(b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat"),
)
"""What is read of a job's hash: no callback, webhook, dependency, retry, result or meta, for no job of ours has any."""
_JOB: Final = re.compile(rb"[A-Za-z0-9_-]{1,200}")
_EXECUTION: Final = re.compile(rb"[A-Za-z0-9_-]{1,200}:[A-Za-z0-9_-]{1,200}")
LOGGED_MAX_LENGTH: Final = 200
"""Of what somebody else chose."""
NO_ID: Final = "no job has such an id"


class FeedbackJob(Job):
    """A job that can only call a function of ALLOWED, with JSON arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        kwargs["serializer"] = JSONSerializer
        super().__init__(*args, **kwargs)

    @property
    def func(self) -> Callable[..., Any]:
        """The job's function, found by name in the allow-list; nothing is imported on the job's behalf."""
        from workers import jobs  # noqa: PLC0415 - the jobs import this module's users

        if self.func_name not in ALLOWED:
            raise DeserializationError(f"{self.func_name!r} is not a job of this project")
        return cast("Callable[..., Any]", getattr(jobs, self.func_name.rpartition(".")[2]))

    def _deserialize_data(self) -> None:
        super()._deserialize_data()  # type: ignore[no-untyped-call] # RQ's
        bound_call = self._instance is not None
        if bound_call or not isinstance(self._args, list | tuple) or not isinstance(self._kwargs, dict):
            raise DeserializationError("a job of this project is a plain function call")

    def restore(self, raw_data: dict[bytes, bytes]) -> Any:  # noqa: ANN401 - as RQ's
        """Read a job's hash; what could run code or call out is not even looked at.

        Raises:
            NoSuchJobError: the hash is not a job of ours; workers pass it over.
        """
        kept = {name: raw_data[name] for name in _KEPT if name in raw_data}
        try:
            kept[b"data"] = _inflated(kept.get(b"data", b""))
            super().restore(kept)
            self._check()
        except StopRequested:  # by a signal that came this very moment
            raise
        except Exception as error:  # RQ reads each field in its own way (asserts and recursion included)
            cause = error.__cause__ or error
            raise _refused(self.id, f"{type(cause).__name__}: {cause}") from None

    def _check(self) -> None:
        inspect.signature(self.func).bind(*self.args, **self.kwargs)
        if not all(time_s and 0 < time_s <= TIME_MAX_S for time_s in (self.timeout, self.result_ttl, self.failure_ttl)):
            raise ValueError(f"timeout, result_ttl and failure_ttl must be 1 to {TIME_MAX_S} s")

    def refresh(self) -> None:
        """Read the job again.

        Raises:
            NoSuchJobError: there is none, or what is there is none.
        """
        try:
            super().refresh()  # type: ignore[no-untyped-call] # RQ's
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise _refused(self.id, "its key holds no hash") from None

    def _fetch_status(self) -> JobStatus:
        try:
            return super()._fetch_status()
        except ValueError:  # which a worker whose horse died does not expect
            raise InvalidJobOperation(f"the status of job {self.id} is none") from None

    @classmethod
    def fetch_many(
        cls,
        job_ids: Iterable[str],
        connection: Redis,
        serializer: Any = None,  # noqa: ANN401 - as RQ's
    ) -> list[Job | None]:
        """The jobs, None for each that is none: what is malformed must not keep the others from being read."""
        found: list[Job | None] = []
        for job_id in job_ids:
            try:
                found.append(cls.fetch(job_id, connection, serializer))
            except (NoSuchJobError, ValueError):  # the latter: no job may have such an id
                found.append(None)
        return found


class FeedbackQueue(Queue):
    """The queue of this project's jobs; class and serializer are not for the caller to choose."""

    patience_s: float | None = None
    """How long the next dequeue may block; None: as long as RQ says. Set by a worker that waits on the streams."""

    def __init__(self, name: str = QUEUE_NAME, connection: Redis | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - as RQ's
        kwargs["job_class"] = FeedbackJob
        kwargs["serializer"] = JSONSerializer
        super().__init__(name, connection, **kwargs)

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:  # noqa: ANN401 - as RQ's
        """Take a job, waiting no longer than `patience_s`; what is no id is dropped."""
        if timeout is not None and cls.patience_s is not None:
            timeout = cast("int", min(timeout, cls.patience_s))
        while (taken := super().lmove(connection, queue_key, timeout)) and not _JOB.fullmatch(taken[1]):
            connection.lrem(IntermediateQueue.get_intermediate_queue_key(queue_key), 1, taken[1])
            _refused(ascii(taken[1]), NO_ID)
        return taken

    @classmethod
    def _fetch_dequeued_job(
        cls,
        connection: Redis,
        queue_key: str,
        job_id: str,
        *args: Any,  # noqa: ANN401 - as RQ's
        **kwargs: Any,  # noqa: ANN401 - as RQ's
    ) -> tuple[Job, Queue] | None:
        found = super()._fetch_dequeued_job(connection, queue_key, job_id, *args, **kwargs)
        if not found:  # or maintenance would meet it, and refuse it, once more
            connection.lrem(IntermediateQueue.get_intermediate_queue_key(queue_key), 1, job_id)
        return found

    def acquire_maintenance_lock(self) -> bool:
        """Whether this worker may clean the registries; what is no id is dropped from them, for RQ would end on it."""
        acquired = super().acquire_maintenance_lock()
        if acquired:
            redis, taken = self.connection, self.intermediate_queue_key
            for key, form in ((self.started_job_registry.key, _EXECUTION), (self.ready_job_registry.key, _JOB)):
                for member in _malformed(redis.zrange(key, 0, -1), form):
                    redis.zrem(key, member)
            for member in _malformed(redis.lrange(taken, 0, -1), _JOB):
                redis.lrem(taken, 0, member)
        return acquired

    def move_dependents_to_ready(self, *_: Any, **__: Any) -> dict[str, list[str]]:  # noqa: ANN401 - as RQ's
        """None: no job of ours has any."""
        return {}


# they name their classes themselves
vars(registry).update(Job=FeedbackJob, Queue=FeedbackQueue)
vars(scheduler).update(Job=FeedbackJob, Queue=FeedbackQueue)


def _refused(job_id: str, reason: str) -> NoSuchJobError:
    """Log it, without the job's contents; what is answered makes RQ pass it over."""
    reason = reason[:LOGGED_MAX_LENGTH]
    get_logger().error("job_refused", job=job_id[:LOGGED_MAX_LENGTH], reason=reason, next="it is passed over")
    return NoSuchJobError(reason)


def _malformed(members: Iterable[Any], form: re.Pattern[bytes]) -> Iterator[Any]:
    for member in members:
        if not form.fullmatch(member):
            _refused(ascii(member), NO_ID)
            yield member


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text, rest = inflater.decompress(data, DATA_MAX_BYTES), inflater.unconsumed_tail
    except zlib.error:
        text, rest = data, b""  # RQ stores some jobs uncompressed
    if rest or len(text) > DATA_MAX_BYTES:
        raise ValueError(f"its data has more than {DATA_MAX_BYTES} bytes")
    return zlib.compress(text)
