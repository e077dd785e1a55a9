"""The ways in that RQ leaves open by default, each shut; hashes are built by hand, as an attacker would."""

import json
import pickle
import zlib
from typing import Any

import pytest
import redis
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from workers import jobs
from workers.rq_classes import ALLOWED, DATA_MAX_BYTES, QUEUE_NAME, FeedbackJob, FeedbackQueue

NOBODY = redis.Redis(host="203.0.113.1", port=1)
"""A client that never connects: nothing here may talk to a server (RFC 5737 address)."""

CALL: list[Any] = ["workers.jobs.drain", None, ["default", 0, "token"], {}]


def data(*call: object) -> bytes:
    return zlib.compress(json.dumps(call).encode())


def restored(**fields: bytes) -> FeedbackJob:
    """A job read from a hash with these fields besides a right `data`."""
    job = FeedbackJob("id", connection=NOBODY)
    job.restore({b"data": data(*CALL)} | {name.encode(): value for name, value in fields.items()})
    return job


def test_a_drain_is_restored_with_its_arguments() -> None:
    job = restored(status=b"queued", origin=b"feedback", timeout=b"360")
    assert job.func is jobs.drain
    assert (list(job.args), job.kwargs, job.get_status(refresh=False)) == (CALL[2], {}, JobStatus.QUEUED)


@pytest.mark.parametrize("name", ALLOWED)
def test_each_allowed_name_is_a_function_of_ours(name: str) -> None:
    assert callable(restored(data=data(name, None, [], {})).func)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "eval",
        "exec",
        "workers.jobs",
        "workers.jobs.load_settings",
        "workers.jobs.story.drain",
        "workers.jobs.drain.__globals__",
        "workers.jobs.drain ",
        "Workers.jobs.drain",
        "workers.drain",
        "drain",
        ".drain",
        "",
        None,
        17,
        ["workers.jobs.drain"],
        {"workers.jobs.drain": 1},
    ],
)
def test_a_function_that_is_not_on_the_list_is_refused(name: object) -> None:
    job = restored(data=data(name, None, [], {}))
    with pytest.raises(DeserializationError):
        _ = job.func


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(["workers.jobs.drain", "an instance", [], {}], id="method of an instance"),
        pytest.param(["drain", {"py/object": "os.system"}, [], {}], id="instance of an object"),
        pytest.param(["workers.jobs.drain", 0, [], {}], id="instance that is false"),
        pytest.param(["workers.jobs.drain", None, "default", {}], id="arguments as text"),
        pytest.param(["workers.jobs.drain", None, {"a": 1}, {}], id="arguments as an object"),
        pytest.param(["workers.jobs.drain", None, None, {}], id="no arguments"),
        pytest.param(["workers.jobs.drain", None, [], []], id="keywords as a list"),
        pytest.param(["workers.jobs.drain", None, [], None], id="no keywords"),
        pytest.param(["workers.jobs.drain", None, []], id="too short"),
        pytest.param(["workers.jobs.drain", None, [], {}, 1], id="too long"),
        pytest.param([], id="empty"),
    ],
)
def test_a_job_that_is_no_plain_call_is_refused(call: list[object]) -> None:
    job = restored(data=data(*call))
    with pytest.raises(DeserializationError):
        _ = job.func


class Payload:
    """What an attacker would have unpickled."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Payload, "ran", True)


def test_a_pickle_is_never_loaded() -> None:
    poison = pickle.dumps(("workers.jobs.drain", None, [Payload()], {}))
    job = restored(data=zlib.compress(poison), meta=poison, result=poison)
    with pytest.raises(DeserializationError):
        _ = job.func
    assert Payload.ran is False
    pickle.loads(poison)  # noqa: S301 - else the above would prove nothing
    ran, Payload.ran = Payload.ran, False
    assert ran


def test_the_serializer_is_not_for_the_caller_to_choose() -> None:
    assert FeedbackJob("id", connection=NOBODY, serializer=pickle).serializer is JSONSerializer


@pytest.mark.parametrize("compressed", [zlib.compress(json.dumps(CALL).encode()), json.dumps(CALL).encode()])
def test_data_may_be_stored_compressed_or_not(compressed: bytes) -> None:
    assert restored(data=compressed).func is jobs.drain


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(zlib.compress(b"[" * 50_000_000, 9), id="50 MB in 50 KB"),
        pytest.param(zlib.compress(b" " * (DATA_MAX_BYTES + 5_000), 0), id="a little too much"),
        pytest.param(b" " * (DATA_MAX_BYTES + 1), id="uncompressed"),
    ],
)
def test_data_that_inflates_beyond_its_bound_is_no_job(bomb: bytes) -> None:
    with pytest.raises(NoSuchJobError, match=str(DATA_MAX_BYTES)):
        restored(data=bomb)


def test_data_of_exactly_the_bound_is_taken() -> None:
    call = json.dumps(CALL).encode()
    assert restored(data=zlib.compress(call + b" " * (DATA_MAX_BYTES - len(call)))).func is jobs.drain


def test_exc_info_is_not_inflated() -> None:
    job = restored(exc_info=zlib.compress(b"x" * 10_000_000))
    assert job._exc_info is None


HOOK = b"os.system"
HOOKS = {
    "success_callback_name": HOOK,
    "failure_callback_name": HOOK,
    "stopped_callback_name": HOOK,
    "success_callback_timeout": b"9",
    "failure_callback_timeout": b"9",
    "stopped_callback_timeout": b"9",
    "webhooks": json.dumps([{"url": "http://evil.example", "job_status": "finished"}]).encode(),
}


def test_callbacks_and_webhooks_are_dropped() -> None:
    job = restored(**HOOKS)
    names = (job._success_callback_name, job._failure_callback_name, job._stopped_callback_name)
    assert names == (None, None, None)
    assert (job.success_callback, job.failure_callback, job.stopped_callback) == (None, None, None)
    assert job.webhooks == []


def test_rq_itself_would_have_kept_them() -> None:
    """Else the test above would prove nothing."""
    job = Job("id", connection=NOBODY, serializer=JSONSerializer)
    job.restore({b"data": data(*CALL)} | {name.encode(): value for name, value in HOOKS.items()})
    assert job._success_callback_name == HOOK.decode()
    assert len(job.webhooks) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", b"nope"),
        ("status", b"\xff"),
        ("timeout", b"soon"),
        ("timeout", b"1e999"),
        ("ttl", b"9" * 5_000),
        ("result_ttl", b"x"),
        ("created_at", b"yesterday"),
        ("origin", b"\xff"),
        ("worker_name", b"\xff"),
        ("retry_intervals", b"["),
        ("retry_intervals", b"[" * 100_000),
        ("enqueue_at_front", b"x"),
    ],
)
def test_a_malformed_field_makes_it_no_job_of_ours(field: str, value: bytes) -> None:
    with pytest.raises(NoSuchJobError):
        restored(**{field: value})


def test_a_hash_without_data_is_no_job() -> None:
    with pytest.raises(NoSuchJobError):
        FeedbackJob("id", connection=NOBODY).restore({b"status": b"queued"})


def test_the_queue_forces_its_job_class_and_serializer() -> None:
    queue = FeedbackQueue(connection=NOBODY, job_class=Job, serializer=pickle)
    assert (queue.name, queue.job_class, queue.serializer) == (QUEUE_NAME, FeedbackJob, JSONSerializer)
