"""Request bodies that are compressed, for an upstream that is known to take them."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from forwarder.errors import InvalidSettings
from forwarder.queue.pause import get_pause
from forwarder.settings import load_settings
from forwarder.upstream_settings import Upstream
from tests.integration.conftest import StartRig
from tests.support.waiting import eventually
from tests.unit.samples import array, numbered
from workers.delivery import Sender

EVENTS = numbered(500)


async def _posted(encoding: str) -> tuple[str | None, int, Any]:
    """What arrives of a body: the header, the bytes on the wire, and the events."""
    seen: list[tuple[str | None, int, Any]] = []

    async def take(request: web.Request) -> web.Response:
        length = request.content_length or 0
        seen.append((request.headers.get("content-encoding"), length, json.loads(await request.read())))
        return web.json_response({"status": "success"})

    app = web.Application()
    app.router.add_post("/v1/feedback/", take)
    async with TestServer(app) as server:
        upstream = Upstream(base_url=str(server.make_url("/v1")), api_key="k", content_encoding=encoding)
        async with Sender(upstream) as sender:
            assert (await sender.post(array(*EVENTS), "key")).status == 200
    return seen[0]


@pytest.mark.parametrize("encoding", ["none", "gzip", "zstd"])
def test_a_body_arrives_as_it_was_however_it_is_coded(encoding: str) -> None:
    header, length, events = asyncio.run(_posted(encoding))
    assert events == json.loads(array(*EVENTS))
    assert header == (None if encoding == "none" else encoding)
    plain = len(array(*EVENTS))
    assert length == plain if encoding == "none" else length < plain / 4


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_an_upstream_that_takes_it_gets_every_event_and_the_books_close(start_rig: StartRig, encoding: str) -> None:
    rig = start_rig(FORWARDER_CONTENT_ENCODING=encoding)
    rig.sandbox.set_faults({"kind": "refuse", "field": "value", "equals": -9, "message": "too bad"})
    rig.client().send_many([{"trace_id": f"t{number}", "value": -9 if number == 7 else 1} for number in range(600)])
    rig.start_worker()
    books = rig.settled()
    assert (books["delivered"], books.dead) == (599, 1)
    rig.assert_books_close()


def test_an_upstream_that_does_not_take_it_pauses_the_destination_and_says_which_variable_mends_it(
    start_rig: StartRig,
) -> None:
    rig = start_rig(FORWARDER_CONTENT_ENCODING="gzip")
    rig.sandbox.set_faults({"kind": "status", "status": 415})
    rig.client().send_many([{"trace_id": "t", "value": 1}])
    rig.start_worker()
    pause = eventually(lambda: get_pause(rig.redis, rig.keys))
    assert pause, rig.log.read_text()[-3000:]
    assert "unset FORWARDER_CONTENT_ENCODING" in pause.reason
    assert rig.books().dead == 0


def test_another_coding_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match=r"FORWARDER_CONTENT_ENCODING: must be none \| gzip \| zstd"):
        load_settings(content_encoding="br")
