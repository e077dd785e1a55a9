"""The gate of one drain among others, against the real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from forwarder.queue.connection import AWAY, connect, connect_async
from forwarder.queue.flow import Breaker, Flow, encode, exchange, read_flow
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from forwarder.upstream_settings import Upstream
from tests.unit.samples import batch
from workers.breaker import RUN_MAX
from workers.gate import Gate
from workers.session import Session
from workers.verdict import Delivered, Retry
from workers.way import Passage

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""

KEYS = Keys()
WITHIN_S = 60


PIECE = batch(1).whole()
OK = Delivered(None)
FAILED = Retry("HTTP 500", "HTTP 500")


@contextlib.asynccontextmanager
async def still(settings: Settings, token: str, **limits: Any) -> AsyncIterator[Gate]:  # noqa: ANN401 - any limit
    """A gate of one drain, kept up to date by nobody but the test."""
    async with contextlib.aclosing(connect_async(settings)) as client:
        session = Session("default", 0, token, idle_s=60, longest_s=60)
        yield Gate(client, KEYS, session, Upstream(**limits))


@contextlib.asynccontextmanager
async def gate(settings: Settings, token: str) -> AsyncIterator[Gate]:
    """Of one drain, kept up to date."""
    async with still(settings, token) as one:
        finished = asyncio.Event()
        following = asyncio.create_task(one.run(finished))
        try:
            await one.known()
            yield one
        finally:
            finished.set()
            one.hurry()
            await following


def sent(one: Gate, passage: Passage | None) -> bool:
    """A request is answered, and its permit given back; whether the fleet is to hear of it at once."""
    assert passage
    passage.note(OK, 0.05)
    one.give_back()
    return one._wake.is_set()


def test_a_probe_that_is_not_sent_after_all_is_another_drains(settings: Settings) -> None:
    client: Redis = connect(settings)
    assert run(client, exchange(KEYS, b"", encode(Flow(breaker=Breaker(open=True, trips=1))), None)).swapped

    async def cut_off(first: Gate) -> None:
        async with first.passage(PIECE) as passage:
            assert passage.probe
            raise OSError("cut off before it was sent")

    async def scene() -> None:
        async with gate(settings, "a") as first, gate(settings, "b") as second:
            with pytest.raises(OSError, match="cut off"):
                await cut_off(first)
            async with asyncio.timeout(WITHIN_S), second.passage(PIECE) as passage:
                assert passage.probe

    asyncio.run(scene())


def test_who_has_more_in_flight_than_its_share_tells_at_once_when_it_is_down_to_it(settings: Settings) -> None:
    """Others wait for just that."""

    async def scene() -> None:
        async with still(settings, "a", concurrency=4) as first, still(settings, "b", concurrency=4) as second:
            await first.exchange()
            assert not sent(first, first.straight_on(PIECE))
            passages = [first.straight_on(PIECE) for _ in range(4)]
            waiting = [asyncio.ensure_future(second.passage(PIECE).__aenter__()) for _ in range(2)]
            await asyncio.sleep(0)  # they are at the gate
            await second.exchange()
            await first.exchange()
            assert (first.share, second.share) == (2, 0)
            assert [sent(first, passage) for passage in passages] == [False, True, True, True]
            await first.exchange()
            await second.exchange()
            assert [(await one).probe for one in waiting] == [False, False]

    asyncio.run(scene())


def test_what_could_not_be_told_is_told_when_the_queue_is_back_and_nothing_is_sent_until_then(
    settings: Settings, tmp_path: Path
) -> None:
    server, way = urlsplit(settings.redis_url).path, tmp_path / "way.sock"
    way.symlink_to(server)
    redirected = settings.model_copy(update={"redis_url": f"unix://{way}"})

    async def scene() -> None:
        async with still(redirected, "a") as one:
            await one.exchange()
            for _ in range(RUN_MAX):
                passage = one.straight_on(PIECE)
                assert passage
                passage.note(FAILED, 0.05)
                one.give_back()
            way.unlink()
            await one._fleet._client.connection_pool.disconnect()
            with pytest.raises(AWAY):
                await one.exchange()
            assert not one.is_open
            way.symlink_to(server)
            await one.exchange()

    asyncio.run(scene())
    assert read_flow(connect(settings), KEYS).breaker.open


def test_while_the_fleet_is_told_of_a_run_of_failures_nothing_is_sent(settings: Settings) -> None:
    async def scene() -> None:
        async with still(settings, "a", concurrency=2 * RUN_MAX) as one:
            await one.exchange()
            passages = [one.straight_on(PIECE) for _ in range(RUN_MAX)]
            for passage in filter(None, passages):
                passage.note(FAILED, 0.05)
            assert one.straight_on(PIECE) is None
            telling = asyncio.create_task(one.exchange())
            await asyncio.sleep(0)  # the report is under way
            assert one.straight_on(PIECE) is None
            await telling
            assert one.straight_on(PIECE) is None

    asyncio.run(scene())
