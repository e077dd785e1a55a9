"""An OpenTelemetry collector for tests: takes spans by OTLP over HTTP on loopback, and keeps them."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override


@dataclass(frozen=True)
class Told:
    """One span.

    Attributes:
        service: its service.name.
        name: of the span.
        trace_id: in hexadecimal.
        span_id: likewise.
        parent_id: likewise; empty for a root.
        links: trace ids and span ids.
        about: its attributes.
    """

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: list[tuple[str, str]]
    about: dict[str, Any] = field(default_factory=dict)


class Collector:
    """Listens until its end."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        collected = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collected.extend(_spans(ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            @override
            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """Under which a process sends its spans here."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        return {"FORWARDER_TRACING": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}

    def named(self, name: str) -> list[Told]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]


def _spans(request: ExportTraceServiceRequest) -> list[Told]:
    return [
        Told(
            _about(of.resource.attributes)["service.name"],
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            _about(span.attributes),
        )
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def _about(attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf's own
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}
