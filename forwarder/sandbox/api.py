"""The Feedback API itself: POST and PUT, which the faults befall, and the summary, which they do not."""

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from forwarder.answers import Refused, Reply, json_reply, refuse, success_reply
from forwarder.errors import InvalidFeedback
from forwarder.feedback import Members
from forwarder.sandbox.fault import Fault, Seen
from forwarder.sandbox.outages import Hang
from forwarder.sandbox.queries import choice, number, storable
from forwarder.sandbox.scores import GROUPS
from forwarder.sandbox.state import STATE, State
from forwarder.sandbox.store import Receipt
from forwarder.sandbox.updates import parse_update

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 seconds: closing sends RST in place of FIN."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request that can be taken wants: its events, and the step that stores it and makes the normal answer."""

    members: Members
    act: Callable[[Receipt], tuple[int, Reply]]


_Read = Callable[[web.Request, State, bytes], _Asked]


async def post_feedback(request: web.Request) -> web.StreamResponse:
    """`POST /v1/feedback`: take one event or an array, whole or not at all."""
    return await _handle(request, _read_events)


async def put_feedback(request: web.Request) -> web.StreamResponse:
    """`PUT /v1/feedback/{id}`: change the value, weight or metadata of feedback that was taken."""
    return await _handle(request, _read_update)


async def get_summary(request: web.Request) -> web.StreamResponse:
    """`GET /v1/feedback/summary`: scores per group."""
    state = request.app[STATE]
    _require_key(request, state)
    group_by = choice(request, "group_by", GROUPS)
    summary = await state.witness.summary(group_by, number(request, "limit", 100, most=10_000))
    return respond(json_reply(summary))


def respond(reply: Reply) -> web.Response:
    """A reply as aiohttp sends it."""
    return web.Response(
        status=reply.status, body=reply.body, content_type=reply.content_type or None, headers=reply.headers
    )


async def read_body(request: web.Request) -> bytes:
    """The body of a request.

    Raises:
        Refused: 413 when it is too large, 400 when it cannot be read.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        most = request.app[STATE].options.max_body_bytes
        raise refuse(413, f"the body is too large; at most {most} bytes are taken") from None
    except (web.RequestPayloadError, ConnectionError):
        raise refuse(400, "the body cannot be read: it is cut short, or not compressed as it says") from None


async def _handle(request: web.Request, read: _Read) -> web.StreamResponse:
    """Take in a request, let a fault befall it or not, and keep a receipt of it in any case."""
    state = request.app[STATE]
    key = request.headers.get("Idempotency-Key")
    receipt = Receipt(time.time(), request.method, request.rel_url.raw_path, 0, key and storable(key))
    with state.busy():
        try:
            body = await read_body(request)
        except Refused as refused:
            answered = None if request.transport is None else refused.reply.status  # None: it left while it sent
            state.store.record(replace(receipt, status=answered))
            return respond(refused.reply)
        asked = _asked(request, state, body, read)
        seen = Seen(len(body), state.in_flight, None if isinstance(asked, Refused) else asked.members)
        lot = state.plan.draw(seen, time.monotonic())
        receipt = replace(receipt, size=len(body), fault=lot.name)
        if lot.delay_s:
            await state.wait(lot.delay_s)
        if lot.fault is not None:
            return await _strike(request, lot.fault, seen, asked, receipt)
        return respond(_settle(state, asked, receipt)[1])


def _asked(request: web.Request, state: State, body: bytes, read: _Read) -> _Asked | Refused:
    try:
        _require_key(request, state)
        return read(request, state, body)
    except Refused as refused:
        return refused


def _settle(state: State, asked: _Asked | Refused, receipt: Receipt, status: int | None = 200) -> tuple[int, Reply]:
    """Store what is asked, or why it is refused: the request's number, and the normal answer."""
    try:
        if isinstance(asked, Refused):
            raise asked
        return asked.act(replace(receipt, status=status))
    except Refused as refused:
        return state.store.record(replace(receipt, status=refused.reply.status)), refused.reply


async def _strike(
    request: web.Request, fault: Fault, seen: Seen, asked: _Asked | Refused, receipt: Receipt
) -> web.StreamResponse:
    state = request.app[STATE]
    normal = None
    if fault.stores:
        number, normal = _settle(state, asked, receipt, status=None)
    else:
        number = state.store.record(receipt)
    if isinstance(fault, Hang) and not await state.hang(request, fault.seconds):
        return _drop(request)
    reply = fault.reply(seen, normal)
    if reply is None:
        return _drop(request)
    state.store.answered(number, reply.status)
    return respond(reply)


def _drop(request: web.Request) -> web.StreamResponse:
    """Reset the connection; the response is for aiohttp, nobody receives it."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()


def _read_events(_: web.Request, state: State, body: bytes) -> _Asked:
    try:
        members = state.codec.parse(body)
    except InvalidFeedback as error:
        raise refuse(400, str(error), error.flaws[0].where or None) from None
    if members.count > state.options.array_limit:
        raise refuse(413, f"at most {state.options.array_limit} events are taken, got {members.count}")

    def act(receipt: Receipt) -> tuple[int, Reply]:
        number, ids = state.store.take(receipt, members)
        return number, success_reply("Feedback successfully saved", ids)

    return _Asked(members, act)


def _read_update(request: web.Request, state: State, body: bytes) -> _Asked:
    update = parse_update(body)
    feedback_id = request.match_info["feedback_id"]

    def act(receipt: Receipt) -> tuple[int, Reply]:
        number = state.store.update(receipt, feedback_id, update)
        if number is None:
            raise refuse(404, "there is no feedback with this id")
        return number, success_reply("Feedback successfully updated", [feedback_id])

    return _Asked(Members(b"", 0), act)


def _require_key(request: web.Request, state: State) -> None:
    if not state.knows(request.headers):
        raise refuse(401, "the API key is missing or wrong; send it as x-portkey-api-key or Authorization: Bearer")
