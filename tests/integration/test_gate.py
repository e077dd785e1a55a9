"""The gate of one drain among others, against the real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from forwarder.queue.connection import connect, connect_async
from forwarder.queue.flow import Breaker, Flow, encode, exchange
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from forwarder.upstream_settings import Upstream
from tests.unit.samples import batch
from workers.gate import Gate
from workers.session import Session

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""

KEYS = Keys()
WITHIN_S = 60


@contextlib.asynccontextmanager
async def gate(settings: Settings, token: str) -> AsyncIterator[Gate]:
    """Of one drain, kept up to date."""
    async with contextlib.aclosing(connect_async(settings)) as client:
        finished, session = asyncio.Event(), Session("default", 0, token, idle_s=60, longest_s=60)
        one = Gate(client, KEYS, session, Upstream())
        following = asyncio.create_task(one.run(finished))
        try:
            await one.known()
            yield one
        finally:
            finished.set()
            one.hurry()
            await following


def test_a_probe_that_is_not_sent_after_all_is_another_drains(settings: Settings) -> None:
    client: Redis = connect(settings)
    assert run(client, exchange(KEYS, b"", encode(Flow(breaker=Breaker(open=True, trips=1))), None)).swapped
    piece = batch(1).whole()

    async def cut_off(first: Gate) -> None:
        async with first.passage(piece) as passage:
            assert passage.probe
            raise OSError("cut off before it was sent")

    async def scene() -> None:
        async with gate(settings, "a") as first, gate(settings, "b") as second:
            with pytest.raises(OSError, match="cut off"):
                await cut_off(first)
            async with asyncio.timeout(WITHIN_S), second.passage(piece) as passage:
                assert passage.probe

    asyncio.run(scene())
