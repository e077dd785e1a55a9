"""Live views: a fragment of a page, rendered again and again, sent to the browser when it has changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from forwarder.errors import ForwarderError

EVERY_S: Final = 1.0
QUIET_S: Final = 15.0
"""After so long without a change a comment goes out, so that a browser that has left is noticed."""
LONGEST_S: Final = 120.0
"""Then the browser asks again, and who it is is asked again too."""
RETRY_MS: Final = 500

Render = Callable[[], tuple[str, bool]]
"""The fragment as it is now, and whether it is the last; may wait for Redis."""


def live(render: Render, stopping: asyncio.Event) -> Response:
    """Server-sent events: `html` with the fragment as JSON, `trouble` with words, `end` after the last.

    Args:
        render: makes the fragment, once a second.
        stopping: set when the server stops; the stream ends then.
    """
    return StreamingResponse(_events(render, stopping), media_type="text/event-stream")


async def _events(render: Render, stopping: asyncio.Event) -> AsyncIterator[str]:
    loop, sent, over = asyncio.get_running_loop(), "", False
    began = said = loop.time()
    yield f"retry: {RETRY_MS}\n\n"
    while not over and not stopping.is_set() and loop.time() - began < LONGEST_S:
        try:
            html, over = await run_in_threadpool(render)
            event = _event("html", html)
        except (RedisError, ForwarderError):
            event = _event("trouble", "the queue does not answer, trying again")
        if event != sent:
            sent, said = event, loop.time()
            yield event
        elif loop.time() - said > QUIET_S:
            said = loop.time()
            yield ":\n\n"
        if not over:
            await _wait(stopping)
    if over:
        yield _event("end", "")


async def _wait(stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), EVERY_S)
    except TimeoutError:
        return


def _event(kind: str, data: str) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
