"""The ASGI application: request → authenticate → read and inflate → validate → group commit → answer.

Routing is a dictionary, by measurement: on the same server a bare ASGI callable costs 18 µs of CPU per request,
Starlette's smallest route 34, Falcon's 30; either would cost more than all that happens here.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from forwarder.answers import JSON, Refused, Reply, error_reply, refuse, success_reply
from forwarder.console.mount import Mounted, is_for_operators
from forwarder.errors import ForwarderError, InvalidFeedback
from forwarder.extras import require
from forwarder.feedback import Members, codec
from forwarder.ids import FeedbackIds
from forwarder.ingest.asgi import Headers, Receive, Scope, Send
from forwarder.ingest.auth import Door
from forwarder.ingest.body import BodyReader, Disconnected
from forwarder.ingest.cors import Cors
from forwarder.ingest.errors import request_id, unavailable, wrong
from forwarder.ingest.group_commit import GroupCommit
from forwarder.ingest.refusals import Refusals
from forwarder.ingest.resources import Resources
from forwarder.ingest.routes import FEEDBACK, Handler, Routes
from forwarder.log import get_logger
from forwarder.settings import DEFAULT_DESTINATION, Settings

JSON_TYPE: Final = (b"content-type", JSON.encode())
ACCEPTED: Final = "Feedback accepted for delivery"


class Ingest:
    """The HTTP ingest of one process.

    Args:
        settings: all that it is bound by.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec = codec(settings.limits)
        self._bodies = BodyReader(settings.ingest_body_max_bytes)
        self._ids = FeedbackIds()
        self._cors = Cors(settings.cors_origins)
        self._status = int(settings.ingest_status)
        self._log = get_logger()
        self._door: Door[GroupCommit]
        self._console = Mounted(settings)
        self._refusals: Refusals
        self._routes: Routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the server."""
        if scope["type"] == "http":
            path = scope["path"]
            if path in FEEDBACK or not is_for_operators(path):
                await self._serve(scope, receive, send)
            else:
                await self._operate(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    def stop(self) -> None:
        """The server stops: answers without an end are to come to one."""
        self._console.stop()

    async def _operate(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._console.refusal(scope["path"])
        if refusal is not None:
            await _send(self._traced(refusal, dict(scope["headers"])), {}, send)
        else:
            await self._console.serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            take, end = self._traced_take() if self._settings.tracing else (self._take, None)
            resources = Resources(self._settings)
        except ForwarderError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._door = resources.door
        self._refusals = resources.refusals
        self._routes = Routes(self._settings, self._cors, take, resources.probes)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._console.close()
        await resources.close()
        if end is not None:
            await asyncio.to_thread(end)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        try:
            reply = await self._routes.find(scope["method"], scope["path"], headers)(headers, receive)
        except Disconnected:
            return
        except Refused as refused:
            reply = self._traced(refused.reply, headers)
        except ForwarderError as error:
            reply = self._traced(unavailable(error), headers)
        except Exception as error:  # a defect: the caller gets a clean answer, the operator the traceback
            reply = self._traced(error_reply(500, "a defect of the server; it has been logged"), headers, error)
        await _send(reply, self._cors.headers(headers), send)

    async def _take(self, headers: Headers, receive: Receive, parent: str = "") -> Reply:
        """`POST /v1/feedback`: take one event or an array, whole or not at all."""
        destination = DEFAULT_DESTINATION
        try:
            lane = self._door.admit(headers)
            destination = lane.destination
            body = await self._bodies.read(headers, receive)
            members = self._validated(body)
        except Refused as refused:
            self._refusals.note(destination, refused.reply.status)
            raise
        await lane.add(Members(members.joined, members.count, (parent,)) if parent else members)
        return success_reply(ACCEPTED, self._ids.take(members.count), self._status)

    def _traced_take(self) -> tuple[Handler, Callable[[], None]]:
        """The same in a span, whose parent is the caller's; and what is to be called at the end."""
        require("otel")
        from forwarder import tracing  # noqa: PLC0415 - an extra

        end, spans = tracing.export("ingest"), tracing.ProducerSpans()

        async def take(headers: Headers, receive: Receive) -> Reply:
            with spans.handing_over(parent=headers.get(b"traceparent", b"").decode("latin-1")) as parent:
                return await self._take(headers, receive, parent)

        return take, end

    def _validated(self, body: bytes) -> Members:
        try:
            members = self._codec.parse(body)
        except InvalidFeedback as error:
            raise wrong(body, error) from None
        most = self._settings.ingest_array_max_events
        if members.count > most:
            raise refuse(413, f"the array has {members.count} events; FORWARDER_INGEST_ARRAY_MAX_EVENTS is {most}")
        return members

    def _traced(self, reply: Reply, headers: Headers, defect: Exception | None = None) -> Reply:
        """A reply with a request id, by which the log knows it too."""
        own = request_id(headers)
        if defect is not None:
            self._log.error("request_failed", request_id=own, exc_info=defect)
        else:
            self._log.debug("request_refused", request_id=own, status=reply.status)
        return msgspec.structs.replace(reply, headers={**reply.headers, "X-Request-Id": own})


async def _send(reply: Reply, extra: Mapping[str, str], send: Send) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if reply.content_type:  # else there is no content, which has no length either
        kind = JSON_TYPE if reply.content_type == JSON else (b"content-type", reply.content_type.encode())
        headers = [kind, (b"content-length", b"%d" % len(reply.body))]
    if reply.headers or extra:
        for name, value in {**reply.headers, **extra}.items():
            headers.append((name.encode(), value.encode("latin-1")))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
