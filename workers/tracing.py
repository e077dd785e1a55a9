"""The spans of a drain: one a batch, linked to those in which its events were handed over, and one a request in it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from forwarder.extras import require
from forwarder.settings import Settings
from workers.batch import Batch
from workers.delivery import Sender
from workers.dispatch import Poster
from workers.outcome import Outcome
from workers.verdict import Answer

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Tell = Callable[[Outcome], None]
ERROR_FROM: Final = 400
"""Least status of an answer that makes its request's span an error."""


class NoSpans:
    """Nobody traces; it costs next to nothing."""

    def batch(self, batch: Batch) -> AbstractContextManager[Tell]:  # noqa: ARG002 - as BatchSpans's
        """What is around a batch in the drain's hands; yields whom to tell its outcome."""
        return nullcontext(_nobody)

    def posting(self, sender: Sender) -> Poster:
        """What sends a body."""
        return sender

    async def aclose(self) -> None:
        """Nothing is to be sent."""


class BatchSpans:
    """The spans of one drain.

    Args:
        destination: of the drain.
        url: of its upstream.
    """

    def __init__(self, destination: str, url: str) -> None:
        from forwarder import tracing  # noqa: PLC0415 - an extra

        self._tracing = tracing
        self._end = tracing.export("worker")
        self._tracer = tracing.tracer()
        self._destination = destination
        self._url = url

    @contextmanager
    def batch(self, batch: Batch) -> Iterator[Tell]:
        """As NoSpans's: a trace of its own, for a batch has many parents."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - as above

        parents = (parent for load in batch.loads for parent in load.entry.traceparents)
        about: dict[str, str | int] = {"messaging.system": "redis", "messaging.operation.type": "process"}
        about |= {"messaging.operation.name": "deliver", "messaging.destination.name": self._destination}
        about |= {"messaging.batch.message_count": batch.count, "forwarder.batch": batch.id}
        with self._tracer.start_as_current_span(
            f"deliver {self._destination}",
            context=self._tracing.no_parent(),
            kind=SpanKind.CONSUMER,
            links=self._tracing.links(parents),
            attributes=about,
        ) as span:

            def tell(outcome: Outcome) -> None:
                span.set_attribute("forwarder.attempts", outcome.attempts)
                span.set_attribute("forwarder.refused", outcome.refused)
                span.set_attribute("forwarder.left", outcome.left)

            yield tell

    def posting(self, sender: Sender) -> Poster:
        """As NoSpans's, with a span for each request."""
        return TracedSender(sender, self._tracer, self._url)

    async def aclose(self) -> None:
        """Send what there is, within a few seconds."""
        await asyncio.to_thread(self._end)


class TracedSender:
    """Sends bodies, each in a span."""

    def __init__(self, sender: Sender, tracer: "Tracer", url: str) -> None:
        self._sender = sender
        self._tracer = tracer
        self._about = {"http.request.method": "POST", "url.full": url}

    async def post(self, body: bytes, key: str) -> Answer:
        """As Sender's."""
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - as above

        about: dict[str, str | int] = {**self._about, "http.request.body.size": len(body), "forwarder.batch": key}
        with self._tracer.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=about) as span:
            answer = await self._sender.post(body, key)
            if answer.status is not None:
                span.set_attribute("http.response.status_code", answer.status)
            if answer.status is None or answer.status >= ERROR_FROM:
                span.set_status(StatusCode.ERROR, answer.failure)
            return answer


Traced = NoSpans | BatchSpans


def spans(settings: Settings, destination: str) -> Traced:
    """The spans of a drain, if anybody traces.

    Raises:
        ForwarderError: FORWARDER_TRACING is on, and the extra is not installed.
    """
    if not settings.tracing:
        return NoSpans()
    require("otel")
    return BatchSpans(destination, settings.upstream(destination).url)


def _nobody(_: Outcome) -> None:
    """Nobody wants to know."""
