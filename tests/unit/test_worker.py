"""What a worker does before Redis answers; all else needs real processes (tests/integration)."""

import signal
from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from forwarder.queue.connection import connect
from forwarder.settings import load_settings
from workers.rq_classes import QUEUE_NAME, FeedbackJob
from workers.stop import SIGNALS, request_stop
from workers.worker import FeedbackWorker


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeedbackWorker:
    """A worker whose server is away."""
    monkeypatch.setenv("FORWARDER_DATA_DIR", str(tmp_path))
    return FeedbackWorker([QUEUE_NAME], connection=connect(load_settings()))


def test_an_outage_does_not_keep_a_worker_from_being_made(worker: FeedbackWorker) -> None:
    assert worker.ip_address == "unknown"


def test_a_round_in_an_outage_ends_without_an_exception_and_is_no_end_of_the_worker(worker: FeedbackWorker) -> None:
    assert worker._work_by_rq() is False
    assert (worker._trouble.kind, worker.turns, worker.finished) == ("redis_away", 0, False)


def test_a_job_that_could_not_be_begun_is_not_mixed_up_with_the_next(worker: FeedbackWorker) -> None:
    worker.executions["stale"] = None  # type: ignore[assignment]
    worker._work_by_rq()
    assert worker.executions == {}


def test_a_wrong_setting_ends_a_worker_that_has_just_started(
    worker: FeedbackWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise AuthenticationError("WRONGPASS")

    monkeypatch.setattr(worker, "_on_start", refused)
    with pytest.raises(AuthenticationError):
        worker._work_by_rq()
    worker.turns = 1
    assert worker._work_by_rq() is False, "one that has worked waits for the mend"


def test_a_job_whose_end_redis_did_not_take_leaves_one_line_and_no_traceback(worker: FeedbackWorker) -> None:
    error = RedisConnectionError("Connection refused")
    job = FeedbackJob("drain-1", connection=worker.connection)
    with capture_logs() as said:
        worker.handle_exception(job, type(error), error, None)
    (line,) = said
    assert (line["event"], line["log_level"], line["error"]) == ("job_not_booked", "warning", "Connection refused")


def test_an_orphan_is_asked_to_stop(worker: FeedbackWorker) -> None:
    assert worker._asked == 0, "nobody watches over it"
    worker.parent = 1 << 22
    assert worker._asked == 1


def test_a_horse_takes_signals_before_its_job_begins(worker: FeedbackWorker) -> None:
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        worker.setup_work_horse_signals()
        assert {signal.getsignal(signum) for signum in SIGNALS} == {request_stop}
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
