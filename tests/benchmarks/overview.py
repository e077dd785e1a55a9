"""The overview page with twenty destinations and an hour of history each: what a look costs the server."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from forwarder.console.app import Console as Pages
from forwarder.queue.connection import Client, connect
from forwarder.queue.history import EVERY_MS
from forwarder.queue.keys import Keys
from forwarder.settings import Settings
from tests.benchmarks.finding import Finding, table_of
from tests.benchmarks.queue import queue

DESTINATIONS: Final = 20
SAMPLES: Final = 360
LOOKS: Final = 40
APART_S: Final = 0.6
"""So long that no look is answered from the one before."""
WANTED_MS: Final = 50.0


def remember(client: Client, keys: Keys, now_ms: int) -> None:
    """An hour of history."""
    with client.pipeline(transaction=False) as pipeline:
        for number in range(SAMPLES):
            at_ms = now_ms - (SAMPLES - number) * EVERY_MS
            counts = (number * 5_000, 0, number * 4_990, number, number % 50 * 100, number % 50, number, 900)
            sample = f"[{','.join(map(str, (at_ms, *counts)))}]"
            pipeline.xadd(keys.history, {"sample": sample}, id=f"{at_ms}-0")
        pipeline.hset(keys.ledger, mapping={"accepted": 1_800_000, "delivered": 1_796_400, "pending": 3_600})
        pipeline.execute()


async def look(pages: Pages) -> tuple[int, int]:
    """One request without a socket: the status, and the bytes of the page."""
    found = {"status": 0, "bytes": 0}

    async def send(message: MutableMapping[str, Any]) -> None:
        found["status"] = message.get("status", found["status"])
        found["bytes"] += len(message.get("body", b""))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
    }
    scope |= {"path": "/console/", "raw_path": b"/console/", "query_string": b"", "root_path": ""}
    scope |= {"headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
    await pages.serve(scope, receive, send)
    return found["status"], found["bytes"]


async def looks(pages: Pages) -> list[float]:
    """How long each look takes (ms); the first one, which reads the whole hour, comes first."""
    times = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        status, size = await look(pages)
        times.append((time.perf_counter() - began) * 1000)
        assert status == 200
        assert size > DESTINATIONS * 1_000
        await asyncio.sleep(APART_S)
    return times


def measured(settings: Settings) -> list[float]:
    """The same, with something to show."""
    client = connect(settings)
    for name in settings.destination_names:
        remember(client, Keys(name), time.time_ns() // 1_000_000)
    client.close()
    return asyncio.run(_with_pages(settings, looks))


async def _with_pages(settings: Settings, work: Callable[[Pages], Awaitable[list[float]]]) -> list[float]:
    pages = Pages(settings)
    try:
        return await work(pages)
    finally:
        pages.close()


def overview_table() -> Table:
    """Measure."""
    named: dict[str, dict[str, str]] = {f"d{number:02}": {} for number in range(1, DESTINATIONS)}
    with queue(destinations=named) as settings:
        first, *others = measured(settings)
    middle, slow = statistics.median(others), sorted(others)[round(len(others) * 0.95) - 1]
    case = f"{DESTINATIONS} destinations, an hour of history"
    found = f"{middle:.0f} ms, p95 {slow:.0f} ms, first {first:.0f} ms"
    return table_of("overview page", [Finding(case, f"≤ {WANTED_MS:.0f} ms", found, middle <= WANTED_MS)])


if __name__ == "__main__":
    Console().print(overview_table())
