"""The two ways of a client, with spans: used in their place when FORWARDER_TRACING is on."""

from collections.abc import Iterable

from forwarder.client.courier import Courier
from forwarder.client.direct import Direct
from forwarder.feedback import Members, join
from forwarder.tracing import ProducerSpans


class TracedCourier(Courier):
    """Each call's span goes with the chunk that its event becomes part of, also through the spill file."""

    def send(self, destination: str, event: bytes) -> None:
        """As Courier's."""
        with ProducerSpans().handing_over(destination) as parent:
            self._send_under(destination, event, parent)

    def send_many(self, destination: str, events: Iterable[bytes]) -> int:
        """As Courier's; one span for all."""
        number = 0
        with ProducerSpans().handing_over(destination) as parent:
            for number, event in enumerate(events, 1):  # noqa: B007 - the last number is the answer
                self._send_under(destination, event, parent)
        return number

    def _send_under(self, destination: str, event: bytes, parent: str) -> None:
        with self._desk.lock:  # reentrant: nobody must seal the chunk between the two
            super().send(destination, event)
            if parent:
                self._desk.buffer.trace(destination, parent)


class TracedDirect(Direct):
    """Each append has its span."""

    def _append(self, destination: str, events: list[bytes]) -> int:
        joined = join(events)
        with ProducerSpans().handing_over(destination) as parent:
            return self._store(destination, Members(joined.joined, joined.count, (parent,) if parent else ()))
