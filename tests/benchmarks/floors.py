"""Floors: the least that any program must do for the same job, to hold our figures against."""

import asyncio
import json
import time
from typing import Annotated, Any, NotRequired

import aiohttp
import httpx
import msgspec
from httpx_aiohttp import AiohttpTransport
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from forwarder.feedback import codec
from forwarder.queue.connection import Client
from forwarder.queue.keys import GROUP, Keys


@with_config(ConfigDict(extra="forbid", strict=True))
class PydanticEvent(TypedDict):
    """The event's model as a strict pydantic-core adapter, the other candidate."""

    trace_id: Annotated[str, Field(min_length=1, max_length=512)]
    value: Annotated[int, Field(ge=-10, le=10)]
    weight: NotRequired[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]]
    text: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]


def validation(body: bytes, events: int) -> dict[str, float]:
    """CPU microseconds per event of one decode of the whole body, by library."""
    candidates = {
        "ours (msgspec, strict)": codec().members,
        "pydantic-core TypedDict, strict": TypeAdapter(list[PydanticEvent]).validate_json,
        "json.loads, no validation": json.loads,
        "msgspec.json.decode, no validation": msgspec.json.decode,
    }
    return {name: _best_us(decode, body) / events for name, decode in candidates.items()}


def _best_us(decode: Any, body: bytes, rounds: int = 5, repeats: int = 40) -> float:  # noqa: ANN401 - a decoder
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(repeats):
            decode(body)
        best = min(best, (time.process_time() - began) / repeats * 1e6)
    return best


def read_and_delete(client: Client, keys: Keys) -> None:
    """Read everything that waits, acknowledge and delete it: Redis alone."""
    while reply := client.xreadgroup(GROUP, "floor", {keys.events: ">"}, count=20):
        ids: list[Any] = [entry_id for entry_id, _ in reply[0][1]]  # type: ignore[index,misc,str-unpack]
        with client.pipeline(transaction=True) as step:
            step.xack(keys.events, GROUP, *ids)
            step.xdel(keys.events, *ids)
            step.execute()


async def post_ready_made(url: str, body: bytes, requests: int, in_flight: int = 16, key: str = "") -> None:
    """Post the same ready-made body again and again with bare aiohttp."""
    headers = {"content-type": "application/json", "x-portkey-api-key": key}
    left = iter(range(requests))

    async def sender(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(sender(session) for _ in range(in_flight)))


async def post_by_transport(url: str, body: bytes, requests: int, in_flight: int = 16) -> None:
    """The same by httpx over its fastest transport."""
    headers = {"content-type": "application/json", "x-portkey-api-key": "bench"}
    left = iter(range(requests))

    async def sender(client: httpx.AsyncClient) -> None:
        for _ in left:
            await client.post(url, content=body, headers=headers)

    transport = AiohttpTransport(client=aiohttp.ClientSession)
    async with httpx.AsyncClient(transport=transport, timeout=None) as client:  # noqa: S113 - many wait for a connection
        await asyncio.gather(*(sender(client) for _ in range(in_flight)))
