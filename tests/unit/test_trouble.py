import logging

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from workers.trouble import Trouble, passes, without_traceback

AWAY = [RedisConnectionError("refused"), RedisTimeoutError("timed out"), BusyLoadingError("loading")]
FULL = OutOfMemoryError("Command # 1 (HSET rq:job:x data secret) of pipeline caused error: command not allowed")


def test_an_outage_is_said_once_and_its_end_once() -> None:
    with capture_logs() as lines:
        trouble = Trouble()
        for error in AWAY:
            trouble.note(error)
        assert [trouble.over(), trouble.over()] == [True, False]
        trouble.note(AWAY[0])
    assert [line["event"] for line in lines] == ["redis_away", "redis_back", "redis_away"]


def test_trouble_that_turns_into_another_is_said_again() -> None:
    with capture_logs() as lines:
        trouble = Trouble()
        for error in (AWAY[0], FULL, FULL, ResponseError("WRONGTYPE")):
            trouble.note(error)
    assert [line["event"] for line in lines] == ["redis_away", "redis_full", "redis_refuses"]
    assert all(line["next"] for line in lines)


def test_the_arguments_of_a_refused_command_are_not_logged() -> None:
    with capture_logs() as lines:
        Trouble().note(FULL)
    assert [line["error"] for line in lines] == ["command not allowed"]


@pytest.mark.parametrize("error", [*AWAY, FULL], ids=lambda error: type(error).__name__)
def test_an_outage_passes(error: RedisError) -> None:
    assert passes(error)


@pytest.mark.parametrize("error", [AuthenticationError("WRONGPASS"), NoPermissionError("NOPERM")])
def test_a_wrong_setting_does_not(error: RedisError) -> None:
    assert not passes(error)


def test_rqs_logger_tells_what_redis_refuses_in_one_line_and_other_faults_whole() -> None:
    def record(error: Exception) -> logging.LogRecord:
        exc_info = (type(error), error, None)
        return logging.LogRecord("rq.worker", logging.ERROR, __file__, 1, "job %s not kept", ("j1",), exc_info)

    refused, fault = record(FULL), record(ValueError("a fault"))
    assert without_traceback(refused)
    assert without_traceback(fault)
    assert refused.exc_info is None
    assert refused.getMessage().startswith("job j1 not kept: ")
    assert fault.exc_info
