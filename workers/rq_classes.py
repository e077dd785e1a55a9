"""RQ's job and queue, narrowed to this project's own job functions.

By default whoever can write to an RQ key can run any importable function in the worker, also with the JSON serializer.
Here a job names a function of an allow-list or fails, callbacks and webhooks are dropped, and a job's data is inflated
up to a bound. Both classes are forced by the queue, because maintenance and pools build jobs from the queue's class.
"""

import zlib
from collections.abc import Callable
from typing import Any, Final, cast

from redis import Redis
from rq import Queue
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

QUEUE_NAME: Final = "feedback"
ALLOWED: Final = ("workers.jobs.drain",)
"""The functions that a job may name."""
DATA_MAX_BYTES: Final = 65_536
_DROPPED: Final = (
    *("success_callback_name", "failure_callback_name", "stopped_callback_name", "webhooks", "exc_info"),
    *("dependency_ids", "dependency_id"),  # no job of ours has any
    *("success_callback_timeout", "failure_callback_timeout", "stopped_callback_timeout", "result"),
)


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
        super()._deserialize_data()  # type: ignore[no-untyped-call]
        bound_call = self._instance is not None
        if bound_call or not isinstance(self._args, list | tuple) or not isinstance(self._kwargs, dict):
            raise DeserializationError("a job of this project is a plain function call")

    def restore(self, raw_data: dict[bytes, bytes]) -> Any:  # noqa: ANN401 - as RQ's
        """Read a job's hash; what could run code or call out is not even looked at.

        Raises:
            NoSuchJobError: the hash is not a job of ours; workers pass it over.
        """
        kept = {name: value for name, value in raw_data.items() if _name(name) not in _DROPPED}
        data = kept.get(b"data")
        if data is not None:
            kept[b"data"] = _inflated(data)
        try:
            return super().restore(kept)
        except NoSuchJobError:
            raise
        except Exception as error:  # RQ reads two dozen fields, each in its own way (asserts and recursion included)
            raise NoSuchJobError(f"malformed job: {type(error).__name__}: {error}") from None


class FeedbackQueue(Queue):
    """The queue of this project's jobs; class and serializer are not for the caller to choose."""

    patience_s: float | None = None
    """How long the next dequeue may block; None: as long as RQ says. Set by a worker that waits on the streams."""

    def __init__(self, name: str = QUEUE_NAME, connection: Redis | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        kwargs["job_class"] = FeedbackJob
        kwargs["serializer"] = JSONSerializer
        super().__init__(name, connection, **kwargs)

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:  # noqa: ANN401 - as RQ's
        """Take a job, waiting no longer than `patience_s`."""
        if timeout is not None and cls.patience_s is not None:
            return super().lmove(connection, queue_key, cast("int", min(timeout, cls.patience_s)))
        return super().lmove(connection, queue_key, timeout)


def _name(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text, rest = inflater.decompress(data, DATA_MAX_BYTES), inflater.unconsumed_tail
    except zlib.error:
        text, rest = data, b""  # RQ stores some jobs uncompressed
    if rest or len(text) > DATA_MAX_BYTES:
        raise NoSuchJobError(f"a job's data has more than {DATA_MAX_BYTES} bytes")
    return zlib.compress(text)
