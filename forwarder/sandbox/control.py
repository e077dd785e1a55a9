"""What is under /sandbox/: the witness, the faults, the keys. No key is needed: it is a tool on the loopback."""

import time
from contextlib import aclosing
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from forwarder.answers import json_reply, refuse
from forwarder.sandbox.api import read_body, respond
from forwarder.sandbox.plan import parse_fault, parse_faults
from forwarder.sandbox.queries import choice, number
from forwarder.sandbox.state import STATE, State

MAX_SEED: Final = 2**31
FLAG: Final = ("true", "false")


class _Keys(Struct, forbid_unknown_fields=True):
    keys: list[Annotated[str, Meta(min_length=1)]]


_keys = msgspec.json.Decoder(_Keys)


async def get_health(request: web.Request) -> web.StreamResponse:
    """`GET /healthz`: it runs and can read its file."""
    await request.app[STATE].witness.counts(distinct=False)
    return respond(json_reply({"status": "ok"}))


async def get_counts(request: web.Request) -> web.StreamResponse:
    """`GET /sandbox/counts`: how much arrived; `distinct=false` leaves out what takes a look at every event."""
    distinct = choice(request, "distinct", FLAG, "true") == "true"
    return respond(json_reply(await request.app[STATE].witness.counts(distinct=distinct)))


async def get_arrivals(request: web.Request) -> web.StreamResponse:
    """`GET /sandbox/arrivals`: trace ids in their order, and what arrived of each; `after` turns the page."""
    query, limit = request.query, number(request, "limit", 100, most=10_000)
    traces = await request.app[STATE].witness.arrivals(
        query.get("trace_id"), query.get("prefix", ""), query.get("after", ""), limit
    )
    following = traces[-1]["trace_id"] if len(traces) == limit else None
    return respond(json_reply({"traces": traces, "next": following}))


async def delete_arrivals(request: web.Request) -> web.StreamResponse:
    """`DELETE /sandbox/arrivals`: forget everything that arrived."""
    request.app[STATE].store.empty()
    return respond(json_reply({"status": "emptied"}))


async def get_times_arrived(request: web.Request) -> web.StreamResponse:
    """`GET /sandbox/times-arrived`: one object, trace id to count, sent as it is read."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    async with aclosing(request.app[STATE].witness.times_arrived(request.query.get("prefix", ""))) as chunks:
        await response.prepare(request)
        separator = b"{"
        async for times in chunks:
            await response.write(separator + msgspec.json.encode(times)[1:-1])
            separator = b","
        await response.write_eof(b"{}" if separator == b"{" else b"}")
    return response


async def get_requests(request: web.Request) -> web.StreamResponse:
    """`GET /sandbox/requests`: the latest feedback requests, the latest first."""
    limit = number(request, "limit", 100, most=100_000)
    return respond(json_reply({"requests": await request.app[STATE].witness.requests(limit)}))


async def get_faults(request: web.Request) -> web.StreamResponse:
    """`GET /sandbox/faults`: the faults in force."""
    return _faults(request.app[STATE])


async def put_faults(request: web.Request) -> web.StreamResponse:
    """`PUT /sandbox/faults`: a list in place of all others; `?seed=7` for other random numbers."""
    plan = request.app[STATE].plan
    faults = parse_faults(await read_body(request))
    plan.seed = number(request, "seed", plan.seed, most=MAX_SEED, least=0)
    plan.replace(faults, time.monotonic())
    return _faults(request.app[STATE])


async def post_fault(request: web.Request) -> web.StreamResponse:
    """`POST /sandbox/faults`: one more."""
    request.app[STATE].plan.add(parse_fault(await read_body(request)), time.monotonic())
    return _faults(request.app[STATE])


async def delete_faults(request: web.Request) -> web.StreamResponse:
    """`DELETE /sandbox/faults`: none any more."""
    request.app[STATE].plan.replace([], time.monotonic())
    return _faults(request.app[STATE])


async def put_keys(request: web.Request) -> web.StreamResponse:
    """`PUT /sandbox/keys`: `{"keys": ["…"]}`, the API keys that are accepted from now on."""
    try:
        new = _keys.decode(await read_body(request))
    except msgspec.ValidationError as error:
        raise refuse(422, f"keys: must be a list of non-empty strings, in an object: {error}", "keys") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(400, f"is not JSON: {error}") from None
    request.app[STATE].keys = frozenset(new.keys)
    return respond(json_reply({"keys": len(new.keys)}))


def _faults(state: State) -> web.Response:
    return respond(json_reply(state.plan.describe(time.monotonic())))
