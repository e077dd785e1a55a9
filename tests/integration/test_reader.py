"""How a drain reads, against the real server."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from forwarder.queue import stream
from forwarder.queue.columns import Columns
from forwarder.queue.connection import AsyncClient, connect, connect_async
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import run_async
from forwarder.settings import Settings
from tests.support.waiting import eventually
from workers.reader import Reader
from workers.singles import FEWEST

KEYS = Keys()
SINGLE: Any = {"body": b'{"trace_id":"t","value":1}'}


def reading(settings: Settings, story: Callable[[AsyncClient, Reader], Awaitable[None]]) -> None:
    """Tell a story of one reader."""

    async def told() -> None:
        async with contextlib.aclosing(connect_async(settings)) as client:
            await run_async(client, stream.ensure_group(KEYS))
            reader = Reader(client, KEYS, "me", idle_s=60, max_bytes=100_000)
            try:
                await story(client, reader)
            finally:
                await reader.end()

    asyncio.run(told())


def test_a_read_goes_on_under_way_while_its_reader_has_something_else_to_do(settings: Settings) -> None:
    async def story(client: AsyncClient, reader: Reader) -> None:
        assert await reader.next(10, 0.01) == []
        assert (await client.info("clients"))["blocked_clients"] == 1, "as long as the server lets it"
        assert await reader.next(10, 0.0) == []
        await client.xadd(KEYS.events, SINGLE)
        read = await reader.next(10, float("inf"))
        assert isinstance(read, list)
        assert [fields for _, fields in read] == [[b"body", SINGLE["body"]]]

    reading(settings, story)


def test_single_entries_by_the_hundred_come_by_columns_until_there_are_no_more(settings: Settings) -> None:
    async def story(client: AsyncClient, reader: Reader) -> None:
        for _ in range(3 * FEWEST):
            await client.xadd(KEYS.events, SINGLE)
        assert isinstance(await reader.next(FEWEST, float("inf")), list)
        assert isinstance(await reader.next(FEWEST, float("inf")), Columns)
        reader.one_by_one()
        assert isinstance(await reader.next(FEWEST, float("inf")), list)
        assert await reader.next(FEWEST, 0.01) == []

    reading(settings, story)


def test_a_read_that_nobody_waits_for_any_more_is_broken_off(settings: Settings) -> None:
    async def story(client: AsyncClient, reader: Reader) -> None:
        assert await reader.next(10, 0.01) == []
        await reader.end()
        with connect(settings) as other:
            assert await asyncio.to_thread(eventually, lambda: not other.info("clients")["blocked_clients"])
        await client.xadd(KEYS.events, SINGLE)
        assert (await client.xpending(KEYS.events, GROUP))["pending"] == 0

    reading(settings, story)
