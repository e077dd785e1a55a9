"""uvicorn's HTTP connection, with what a server on an open network needs besides.

- A request has a time to come in whole, and its header a size, so that slow and endless ones cannot pile up.
- Who has shut down its sending side gets its answer all the same.
- Connections beyond the most are closed at once, and no connection is closed with an unread request when the server
  stops: whoever is idle then has a moment more, and what still comes in is answered.
- An offer to upgrade to HTTP/2, as Java's client makes it by default, is not heard: the parser would take the body for
  the new protocol's.
- What is not HTTP is answered in the API's error shape.

The overdue are looked for once a second among all connections; a timer for each would cost every request.
"""

import asyncio
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from forwarder.answers import error_reply
from forwarder.ingest.errors import request_id
from forwarder.ingest_settings import IngestSettings

LAST_MOMENT_S: Final = 0.05
"""What an idle connection gets when the server stops; uvicorn waits 0.1 s before it looks at what is left."""

_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class GuardedConfig(Config):
    """uvicorn's configuration, and our bounds.

    Attributes:
        bounds: the settings.
    """

    def __init__(self, app: Any, bounds: IngestSettings, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(app, http=GuardedConnection, **options)
        self.bounds = bounds


class GuardedConnection(HttpToolsProtocol):
    """One connection."""

    config: GuardedConfig
    cycle: RequestResponseCycle | None  # type: ignore[assignment] # None before the first request, which uvicorn hides

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._incomplete_since = self.loop.time()
        self._begun = self._in_header = self._stopping = False
        self._header_bytes = 0
        if len(self.connections) > self.config.bounds.ingest_connections_max:
            transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        begun = self._in_header
        if b"pgrade:" in data and (begun or not self._incomplete_since or not self._begun):
            data = _without_upgrade(data)
        super().data_received(data)
        if self._in_header:
            self._header_bytes = self._header_bytes + len(data) if begun else len(data)
            most = self.config.bounds.ingest_header_max_bytes
            if self._header_bytes > most:
                self._refuse(431, f"the header is too large; FORWARDER_INGEST_HEADER_MAX_BYTES is {most}")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = self._in_header = True
        self._incomplete_since = self.loop.time()

    @override
    def on_headers_complete(self) -> None:
        self._in_header = False
        super().on_headers_complete()
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    @override
    def on_message_complete(self) -> None:
        self._incomplete_since = 0.0
        super().on_message_complete()

    @override
    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's own signature
        """The client sends no more: True keeps the connection until it has its answer."""
        return self._close_after_answer()

    @override
    def shutdown(self) -> None:
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_MOMENT_S, super().shutdown)
        else:
            super().shutdown()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not HTTP/1.1, or its header is malformed")

    def end_if_overdue(self, now: float) -> None:
        """Close it when its request, or its first one, has taken too long to come in."""
        if not self._incomplete_since:
            return
        bounds, waited_s = self.config.bounds, now - self._incomplete_since
        if not self._begun and waited_s > bounds.ingest_keep_alive_s:
            self.transport.close()
        elif self._begun and waited_s > bounds.ingest_request_timeout_s:
            self._refuse(408, f"the request took more than {bounds.ingest_request_timeout_s:g} s to come in")

    def _close_after_answer(self) -> bool:
        """Close when the last whole request is answered; False when there is none that waits for its answer."""
        whole = self._in_header or not self._incomplete_since  # in a header, the cycle is still that of the one before
        if self.cycle is None or self.cycle.response_complete or not whole:
            return False
        self.cycle.keep_alive = False
        return True

    def _refuse(self, status: int, message: str) -> None:
        """Answer in place of the application, unless its answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self._close_after_answer():
            self.flow.pause_reading()
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = error_reply(status, message).body
            header = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
                f"x-request-id: {request_id({})}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(header.encode() + body)
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + body


def end_overdue(connections: Iterable[object], now: float) -> None:
    """Look at all connections once."""
    for connection in list(connections):
        if isinstance(connection, GuardedConnection):
            connection.end_if_overdue(now)
