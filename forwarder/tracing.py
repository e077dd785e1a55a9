"""OpenTelemetry, when FORWARDER_TRACING is on; when it is off nothing of this is imported.

A producer's span stands for the moment when events are handed over; its `traceparent` (W3C Trace Context) stays with
the entry. The drain's span of a batch is linked to the producers' spans of all its entries, since a batch has many
parents. Where spans go is said by the SDK's own variables, OTEL_EXPORTER_OTLP_ENDPOINT and so on.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, Tracer

from forwarder.version import own_version

LINKS_MAX: Final = 32
"""Parents that one entry names, and a batch is linked to; more would say no more."""
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
END_S: Final = 3.0
"""For what is not exported yet when the process ends; a collector that is away must not keep it."""


def tracer() -> Tracer:
    """By the provider of this process; until one is set its spans are nothing, but parents are passed on."""
    return trace.get_tracer("feedback-forwarder", own_version())


def export(part: str) -> Callable[[], None]:
    """Set up a provider that exports by OTLP, unless the process has one; answers what is to be called at its end.

    Args:
        part: `ingest` or `worker`; names the service, unless OTEL_SERVICE_NAME does.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only for this
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    own = Resource({"service.name": f"feedback-forwarder-{part}", "service.version": own_version()})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

    def end() -> None:
        ending = threading.Thread(target=provider.shutdown, daemon=True)  # it would go on trying for longer
        ending.start()
        ending.join(END_S)

    return end


class ProducerSpans:
    """The spans of a producer."""

    def __init__(self) -> None:
        self._tracer = tracer()

    @contextmanager
    def handing_over(self, destination: str = "", parent: str = "") -> Iterator[str]:
        """The span of handing events over; yields its traceparent, empty when nobody traces.

        Args:
            destination: whom they are for; empty when it is not known.
            parent: the traceparent of the caller, when it is another process's; else its current span is.
        """
        context = get_global_textmap().extract({"traceparent": parent}) if parent else None
        about = {"messaging.system": "redis", "messaging.operation.type": "send"}
        about["messaging.operation.name"] = "append"
        if destination:
            about["messaging.destination.name"] = destination
        with self._tracer.start_as_current_span(
            f"append {destination}".rstrip(), context=context, kind=SpanKind.PRODUCER, attributes=about
        ) as span:
            yield traceparent(span.get_span_context())


def traceparent(context: SpanContext) -> str:
    """As the header has it; empty when there is none."""
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def links(traceparents: Iterable[str]) -> list[Link]:
    """Links to spans of other processes; what is no traceparent is left out, and what comes beyond LINKS_MAX."""
    found: list[Link] = []
    for text in dict.fromkeys(traceparents):
        match = _TRACEPARENT.fullmatch(text)
        if match and len(found) < LINKS_MAX:
            trace_id, span_id, flags = (int(part, 16) for part in match.groups())
            context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
            found += [Link(context)] if context.is_valid else []
    return found


def no_parent() -> Context:
    """A context in which a span begins a trace of its own."""
    return Context()
