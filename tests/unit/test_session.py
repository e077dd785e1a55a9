import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from workers.session import HandBack, Session
from workers.stop import STOP

LONG_AGO = time.monotonic() - 1_000


@pytest.fixture(autouse=True)
def _nobody_asks_to_stop() -> Iterator[None]:
    STOP.clear()
    yield
    STOP.clear()


def session(**fields: Any) -> Session:  # noqa: ANN401 - any field, also the private clocks
    return Session("default", 0, "token", idle_s=5, longest_s=300, **fields)


def test_a_young_session_goes_on() -> None:
    assert session().over() is False


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"_busy_at": LONG_AGO}, "the stream is idle"),
        ({"_began": LONG_AGO}, "the session has run its time"),
        ({"_worker_pid": -1}, "the worker died"),
        ({"_worker_pid": -1, "_began": LONG_AGO, "_busy_at": LONG_AGO}, "the worker died"),
    ],
)
def test_a_session_ends_for_a_reason(fields: dict[str, Any], reason: str) -> None:
    ending = session(**fields)
    assert ending.over() is True
    assert ending.reason == reason


def test_a_worker_that_is_asked_to_stop_ends_the_session() -> None:
    STOP.set()
    ending = session()
    assert ending.over() is True
    assert ending.reason == "the worker was asked to stop"


def test_work_keeps_an_idle_session_alive() -> None:
    working = session(_busy_at=LONG_AGO)
    working.busy()
    assert working.over() is False


def test_the_first_reason_counts_and_over_is_over() -> None:
    ended = session()
    ended.end("first")
    ended.end("second")
    ended.busy()
    assert ended.over() is True
    assert ended.reason == "first"


def test_sleep_is_broken_off_when_the_session_ends() -> None:
    async def run() -> None:
        ending = session()
        asyncio.get_running_loop().call_soon(ending.end, "stop")
        with pytest.raises(HandBack):
            await ending.sleep(3_600)

    asyncio.run(run())


def test_sleep_returns_when_its_time_is_over() -> None:
    asyncio.run(session().sleep(0))


@pytest.mark.parametrize(
    ("fields", "quiet"), [({}, True), ({"opening": True}, False), ({"in_flight": 1}, False), ({"lingers": True}, False)]
)
def test_it_is_quiet_once_it_has_read_and_while_nothing_is_under_way(fields: dict[str, Any], quiet: bool) -> None:  # noqa: FBT001
    assert session(_busy_at=LONG_AGO, **fields).quiet == quiet
