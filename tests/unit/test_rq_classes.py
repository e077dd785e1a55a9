"""The ways in that RQ leaves open by default, each shut; hashes are built by hand, as an attacker would."""

import inspect
import json
import pickle
import zlib
from typing import Any

import pytest
import redis
from rq import registry, scheduler
from rq.exceptions import DeserializationError, NoSuchJobError, StopRequested
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from workers import jobs
from workers.rq_classes import ALLOWED, DATA_MAX_BYTES, QUEUE_NAME, FeedbackJob, FeedbackQueue

NOBODY = redis.Redis(host="203.0.113.1", port=1)
"""A client that never connects: nothing here may talk to a server (RFC 5737 address)."""

ARGUMENTS = {"destination": "default", "slot": 0}
CALL: list[Any] = ["workers.jobs.drain", None, [], ARGUMENTS]
TIMES = {"timeout": b"360", "result_ttl": b"300", "failure_ttl": b"86400"}


def data(*call: object) -> bytes:
    return zlib.compress(json.dumps(call).encode())


def restored(**fields: bytes) -> FeedbackJob:
    """A job read from a hash with these fields besides those that are needed."""
    job = FeedbackJob("id", connection=NOBODY)
    job.restore(hashed(**{"data": data(*CALL)} | TIMES | fields))
    return job


def hashed(**fields: bytes) -> dict[bytes, bytes]:
    return {name.encode(): value for name, value in fields.items()}


def refused(match: str | None = None, /, **fields: bytes) -> None:
    with pytest.raises(NoSuchJobError, match=match):
        restored(**fields)


def test_a_drain_is_restored_with_its_arguments() -> None:
    job = restored(status=b"queued", origin=b"feedback", timeout=b"360")
    assert job.func is jobs.drain
    assert (list(job.args), job.kwargs, job.get_status(refresh=False)) == ([], ARGUMENTS, JobStatus.QUEUED)
    assert (job.origin, job.timeout, job.result_ttl, job.failure_ttl) == ("feedback", 360, 300, 86_400)


def test_what_our_own_sweep_enqueues_is_all_read_again() -> None:
    job = FeedbackJob.create(
        "workers.jobs.drain",
        kwargs=ARGUMENTS,
        connection=NOBODY,
        id="drain-default-0",
        origin=QUEUE_NAME,
        timeout=360,
        result_ttl=300,
        failure_ttl=86_400,
        description="drain default, slot 0",
    )
    stored = {name: value if isinstance(value, bytes) else str(value).encode() for name, value in job.to_dict().items()}
    again = restored(**stored | {"status": b"queued"})
    for name in ("func", "kwargs", "origin", "timeout", "result_ttl", "failure_ttl", "description", "created_at"):
        assert getattr(again, name) == getattr(job, name)


@pytest.mark.parametrize("name", ALLOWED)
def test_each_allowed_name_is_a_function_of_ours(name: str) -> None:
    arguments = dict.fromkeys(inspect.signature(getattr(jobs, name.rpartition(".")[2])).parameters, "default")
    assert callable(restored(data=data(name, None, [], arguments)).func)


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
    refused(data=data(name, None, [], {}))
    job = FeedbackJob("id", connection=NOBODY)  # also where it was not read from a hash
    job.data = json.dumps([name, None, [], {}]).encode()
    with pytest.raises(DeserializationError):
        _ = job.func


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(["workers.jobs.drain", "an instance", [], ARGUMENTS], id="method of an instance"),
        pytest.param(["drain", {"py/object": "os.system"}, [], {}], id="instance of an object"),
        pytest.param(["workers.jobs.drain", 0, [], ARGUMENTS], id="instance that is false"),
        pytest.param(["workers.jobs.drain", None, "ab", {}], id="arguments as text"),
        pytest.param(["workers.jobs.drain", None, {"a": 1, "b": 2}, {}], id="arguments as an object"),
        pytest.param(["workers.jobs.drain", None, None, ARGUMENTS], id="no list of arguments"),
        pytest.param(["workers.jobs.drain", None, ["default", 0], []], id="keywords as a list"),
        pytest.param(["workers.jobs.drain", None, ["default", 0], None], id="no keywords"),
        pytest.param(["workers.jobs.drain", None, ["default", 0]], id="too short"),
        pytest.param(["workers.jobs.drain", None, [], ARGUMENTS, 1], id="too long"),
        pytest.param([], id="empty"),
        pytest.param(["workers.jobs.drain", None, [], {}], id="arguments missing"),
        pytest.param(["workers.jobs.drain", None, ["default", 0, 0, 0], {}], id="an argument too many"),
        pytest.param(["workers.jobs.drain", None, [], ARGUMENTS | {"settings": {}}], id="an unknown keyword"),
    ],
)
def test_a_job_that_is_no_plain_call_is_refused(call: list[object]) -> None:
    refused(data=data(*call))


class Payload:
    """What an attacker would have unpickled."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Payload, "ran", True)


def test_a_pickle_is_never_loaded() -> None:
    poison = pickle.dumps(("workers.jobs.drain", None, [Payload()], {}))
    restored(meta=poison, result=poison)
    refused(data=zlib.compress(poison))
    refused(data=poison)
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
    refused(str(DATA_MAX_BYTES), data=bomb)


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


def test_nothing_is_read_but_what_a_job_of_ours_has() -> None:
    """Retries, repeats, limits, groups and dependencies each make a worker do more with a job than run it."""
    more = {"retries_left": b"3", "retry_intervals": b"{}", "repeats_left": b"3", "repeat_intervals": b"{}"}
    more |= {"rate_limit_key": b"k", "rate_limit_concurrency": b"1", "group_id": b"g", "dependency_ids": b'["x"]'}
    job = restored(**more)
    assert not any([job.should_retry, job.repeats_left, job.has_rate_limit, job.group_id, job._dependency_ids])


def test_rq_itself_would_have_kept_them() -> None:
    """Else the test above would prove nothing."""
    job = Job("id", connection=NOBODY, serializer=JSONSerializer)
    job.restore(hashed(data=data(*CALL), **HOOKS))
    assert job._success_callback_name == HOOK.decode()
    assert len(job.webhooks) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", b"nope"),
        ("status", b"\xff"),
        ("timeout", b"soon"),
        ("timeout", b"1e999"),
        ("timeout", b""),
        ("timeout", b"0"),
        ("timeout", b"-1"),
        ("timeout", b"1000001"),
        ("result_ttl", b"9" * 5_000),
        ("result_ttl", b"x"),
        ("result_ttl", b"0"),
        ("failure_ttl", b"0"),
        ("failure_ttl", b"-1"),
        ("created_at", b"yesterday"),
        ("origin", b"\xff"),
        ("worker_name", b"\xff"),
    ],
)
def test_a_malformed_field_makes_it_no_job_of_ours(field: str, value: bytes) -> None:
    refused(**{field: value})


@pytest.mark.parametrize("missing", TIMES)
def test_without_its_times_it_is_no_job_of_ours(missing: str) -> None:
    with pytest.raises(NoSuchJobError):
        FeedbackJob("id", connection=NOBODY).restore(hashed(**{"data": data(*CALL)} | TIMES | {missing: b""}))


def test_the_log_gets_one_bounded_line_without_the_jobs_contents(capsys: pytest.CaptureFixture[str]) -> None:
    job = FeedbackJob("i" * 5_000, connection=NOBODY)
    with pytest.raises(NoSuchJobError):
        job.restore(hashed(data=data("os.system", None, ["private words"], {}), description=b"private", **TIMES))
    with pytest.raises(NoSuchJobError):
        job.restore(hashed(data=data("f" * 5_000, None, [], {}), **TIMES))
    first, second = capsys.readouterr().out.splitlines()
    assert "job_refused" in first
    assert "'os.system' is not a job of this project" in first
    assert "private" not in first
    assert len(first) < 1_000
    assert len(second) < 1_000


def test_a_hash_without_data_is_no_job() -> None:
    with pytest.raises(NoSuchJobError):
        FeedbackJob("id", connection=NOBODY).restore({b"status": b"queued"})


def test_a_worker_that_is_asked_to_stop_while_it_reads_a_job_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise StopRequested

    monkeypatch.setattr(Job, "restore", stopped)
    with pytest.raises(StopRequested):
        restored()


def test_the_queue_forces_its_job_class_and_serializer() -> None:
    queue = FeedbackQueue(connection=NOBODY, job_class=Job, serializer=pickle)
    assert (queue.name, queue.job_class, queue.serializer) == (QUEUE_NAME, FeedbackJob, JSONSerializer)


def test_no_job_has_dependents() -> None:
    assert FeedbackQueue(connection=NOBODY).enqueue_dependents(restored()) == {}


def test_where_rq_names_its_classes_itself_it_finds_ours() -> None:
    for module in (registry, scheduler):
        assert (vars(module)["Job"], vars(module)["Queue"]) == (FeedbackJob, FeedbackQueue)
    assert isinstance(registry.StartedJobRegistry(QUEUE_NAME, connection=NOBODY).get_queue(), FeedbackQueue)
