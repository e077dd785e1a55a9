"""What a drain does beside its work, against the real server: its lease is kept, lost, and given back last."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any, TypeVar, cast

import pytest

from forwarder.queue.connection import AsyncClient, connect, connect_async
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step, run_async
from forwarder.settings import Settings
from workers import pulse as module
from workers.pulse import lease_kept, lease_taken, others_woken
from workers.session import Session
from workers.stop import STOP

Answer = TypeVar("Answer")

KEYS = Keys()
TTL_S = 60.0
WITHIN_S = 60


@pytest.fixture(autouse=True)
def _beats_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.005)


def session(token: str = "mine", **fields: Any) -> Session:  # noqa: ANN401 - any field
    return Session("default", 0, token, idle_s=60, longest_s=60, **fields)


@contextlib.asynccontextmanager
async def queue(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with contextlib.aclosing(connect_async(settings)) as client, asyncio.timeout(WITHIN_S):
        yield client


def holder(settings: Settings) -> bytes | None:
    return cast("bytes | None", connect(settings).get(KEYS.lease(0)))


def test_a_lease_is_had_once_and_prolonged_by_beats(settings: Settings) -> None:
    async def scene() -> None:
        async with queue(settings) as client:
            mine = session()
            assert await lease_taken(client, KEYS, mine, TTL_S)
            assert not await lease_taken(client, KEYS, session("other"), TTL_S)
            await client.pexpire(KEYS.lease(0), 30_000)
            async with lease_kept(client, KEYS, mine, TTL_S):
                while await client.pttl(KEYS.lease(0)) <= 30_000:  # until the first beat
                    assert not mine.ending.is_set()

    asyncio.run(scene())
    assert holder(settings) is None


def test_a_drain_whose_lease_is_gone_ends_and_leaves_it_to_the_other(settings: Settings) -> None:
    async def scene() -> None:
        async with queue(settings) as client:
            mine = session()
            assert await lease_taken(client, KEYS, mine, TTL_S)
            async with lease_kept(client, KEYS, mine, TTL_S):
                await client.set(KEYS.lease(0), "other")
                await mine.ending.wait()
            assert mine.reason == "another drain holds the lease"

    asyncio.run(scene())
    assert holder(settings) == b"other"


def test_the_beat_notices_that_the_session_is_over(settings: Settings) -> None:
    async def scene() -> None:
        async with queue(settings) as client:
            mine = session()
            async with lease_kept(client, KEYS, mine, TTL_S):
                STOP.set()
                await mine.ending.wait()
            assert mine.reason == "the worker was asked to stop"

    try:
        asyncio.run(scene())
    finally:
        STOP.clear()


def test_the_lease_is_given_after_the_last_beat_which_would_take_it_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    beating, go_on, told = asyncio.Event(), asyncio.Event(), list[str]()

    async def late(client: AsyncClient, step: Step[Answer]) -> Answer:
        """A beat that is under way while the drain ends."""
        if step.script == "keep_lease":
            beating.set()
            await go_on.wait()
        told.append(step.script)
        return await run_async(client, step)

    async def scene() -> None:
        async with queue(settings) as client:
            mine = session()
            assert await lease_taken(client, KEYS, mine, TTL_S)
            monkeypatch.setattr(module, "run_async", late)
            async with contextlib.AsyncExitStack() as held:
                await held.enter_async_context(lease_kept(client, KEYS, mine, TTL_S))
                await beating.wait()
                ending = asyncio.create_task(held.pop_all().aclose())
            await client.ping()  # it has had its time to do what it must not
            go_on.set()
            await ending

    asyncio.run(scene())
    assert told == ["keep_lease", "leave"]
    assert holder(settings) is None


@pytest.mark.parametrize(("in_doubt", "left"), [(False, {b"mine/"}), (True, set())])
def test_a_drain_in_doubt_is_taken_over_as_one_that_was_killed(
    settings: Settings, *, in_doubt: bool, left: set[bytes]
) -> None:
    async def scene() -> set[bytes]:
        async with queue(settings) as client:
            mine = session(in_doubt=in_doubt)
            assert await lease_taken(client, KEYS, mine, TTL_S)
            await client.xgroup_create(KEYS.events, "forwarder", "0", mkstream=True)
            await client.xadd(KEYS.events, {"body": b"{}"})
            await client.xreadgroup("forwarder", "mine", {KEYS.events: ">"})
            async with lease_kept(client, KEYS, mine, TTL_S):
                pass
            return set(await cast("Any", client.hkeys(KEYS.batches)))

    assert asyncio.run(scene()) == left
    assert holder(settings) is None


class Sweep:
    """Sweeps, and whether it finds a job."""

    def __init__(self, *, job_waits: bool, defect: bool = False) -> None:
        self._job_waits = job_waits
        self._defect = defect
        self._ran = 0
        self.twice = threading.Event()
        """So that all of the first time is over."""

    def run(self) -> None:
        self._ran += 1
        if self._ran == 2:
            self.twice.set()
        if self._defect:
            raise RuntimeError("a defect")

    def jobs_wait(self) -> bool:
        return self._job_waits


def reason_after(mine: Session, sweep: Sweep) -> str:
    """Why a session is over, when others have been woken beside it."""

    async def scene() -> None:
        async with others_woken(mine, lambda: cast("Any", sweep)):
            assert await asyncio.to_thread(sweep.twice.wait, WITHIN_S)

    asyncio.run(scene())
    return mine.reason


QUIET: dict[str, Any] = {"_busy_at": 0.0}
BUSY: dict[str, Any] = {"in_flight": 1}
BUSY_FOR_LONG: dict[str, Any] = {"in_flight": 1, "_began": 0.0}


@pytest.mark.parametrize(
    ("fields", "job_waits", "gives_way"),
    [(QUIET, True, True), (BUSY_FOR_LONG, True, True), (BUSY, True, False), (QUIET, False, False)],
)
def test_a_drain_gives_way_to_a_waiting_job_when_it_is_quiet_or_has_run_for_a_while(
    fields: dict[str, Any], *, job_waits: bool, gives_way: bool
) -> None:
    reason = reason_after(session(**fields), Sweep(job_waits=job_waits))
    assert reason == ("a job waits for a worker" if gives_way else "")


def test_a_defect_in_the_pulse_ends_the_session() -> None:
    assert reason_after(session(), Sweep(job_waits=False, defect=True)) == "its beat failed"
