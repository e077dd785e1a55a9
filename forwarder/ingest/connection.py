"""uvicorn's HTTP connection, with what a server on an open network needs besides.

- A request has a time to come in whole, and its header a size, so that slow and endless ones cannot pile up.
- Who has shut down its sending side gets its answer all the same.
- Connections beyond the most are closed at once, and no connection is closed with an unread request when the server
  stops: whoever is idle then has a moment more, and what still comes in is answered.
- What is not HTTP is answered in the API's error shape.

The overdue are looked for once a second among all connections; a timer for each would cost every request.
"""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from forwarder.answers import error_reply
from forwarder.ingest_settings import IngestSettings

LAST_MOMENT_S: Final = 0.05
"""What an idle connection gets when the server stops; uvicorn waits 0.1 s before it looks at what is left."""


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
        super().data_received(data)
        if self._in_header:
            self._header_bytes = self._header_bytes + len(data) if begun else len(data)
            most = self.config.bounds.ingest_header_max_bytes
            if self._header_bytes > most:
                self._end(431, f"the header is too large; FORWARDER_INGEST_HEADER_MAX_BYTES is {most}")

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
        if self.cycle is None or self.cycle.response_complete or self._incomplete_since:
            return False
        self.cycle.keep_alive = False
        return True

    @override
    def shutdown(self) -> None:
        self._stopping = True
        super().shutdown() if self._is_answering() else self.loop.call_later(LAST_MOMENT_S, super().shutdown)

    @override
    def send_400_response(self, msg: str) -> None:
        self._end(400, "this is not HTTP/1.1, or its header is malformed")

    def end_if_overdue(self, now: float) -> None:
        """Close it when its request, or its first one, has taken too long to come in."""
        if not self._incomplete_since:
            return
        bounds = self.config.bounds
        if not self._begun and now - self._incomplete_since > bounds.ingest_keep_alive_s:
            self.transport.close()
        elif self._begun and now - self._incomplete_since > bounds.ingest_request_timeout_s:
            self._end(408, f"the request took more than {bounds.ingest_request_timeout_s:g} s to come in")

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end(self, status: int, message: str) -> None:
        """Answer, unless an answer is under way, and close."""
        if self.transport.is_closing():
            return
        if not self._is_answering() or (self.cycle is not None and not self.cycle.response_started):
            body = error_reply(status, message).body
            header = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(header.encode() + body)
        self.transport.close()


def end_overdue(connections: Iterable[object], now: float) -> None:
    """Look at all connections once."""
    for connection in list(connections):
        if isinstance(connection, GuardedConnection):
            connection.end_if_overdue(now)
