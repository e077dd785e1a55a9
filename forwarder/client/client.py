"""FeedbackClient: hand events over to the queue."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from forwarder.feedback import codec, join
from forwarder.queue.connection import connect, queue_errors
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, append, new_chunk_id
from forwarder.settings import DEFAULT_DESTINATION, Settings, load_settings


class FeedbackClient:
    """Sends feedback to the queue; each call returns when Redis has the events.

        with FeedbackClient(source="checkout") as client:
            client.send(trace_id="trace-1", value=5, text="spot on")

    Args:
        source: the name of the calling service; it stays with the events, also as dead letters.
        destination: which upstream they are for.
        settings: FORWARDER_* variables when not given.

    Raises:
        InvalidSettings: a variable is wrong, or the destination is not configured.
    """

    def __init__(
        self, *, source: str = "", destination: str = DEFAULT_DESTINATION, settings: Settings | None = None
    ) -> None:
        self._settings = settings or load_settings()
        self._settings.upstream(destination)  # raises when it is not configured
        self._source = source
        self._keys = Keys(destination, prefix=self._settings.key_prefix)
        self._codec = codec(self._settings.limits)
        self._client = connect(self._settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(
        self,
        *,
        trace_id: str,
        value: int,
        weight: float | None = None,
        text: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Send one event.

        Args:
            trace_id: of the generation or conversation that the feedback is about.
            value: from -10 to 10.
            weight: from 0 to 1; the API takes 1.0 when it is left out.
            text: a comment.
            metadata: anything else; `_user`, `_prompt` and `_environment` are what the API groups by.

        Raises:
            InvalidFeedback: a value breaks the model; nothing was sent.
            QueueFull: the backlog is at its cap; nothing was stored.
            QueueUnavailable: Redis is away or refuses us.
        """
        event = {"trace_id": trace_id, "value": value, "weight": weight, "text": text, "metadata": metadata}
        self._append([self._codec.encode(event)])

    def thumbs_up(self, trace_id: str, text: str | None = None) -> None:
        """Send value 1; raises as `send`."""
        self.send(trace_id=trace_id, value=1, text=text)

    def thumbs_down(self, trace_id: str, text: str | None = None) -> None:
        """Send value -1; raises as `send`."""
        self.send(trace_id=trace_id, value=-1, text=text)

    def send_many(self, events: Iterable[dict[str, Any]]) -> int:
        """Send many events, in appends of 500; answers how many.

        Raises:
            InvalidFeedback: an event breaks the model; whole appends before it are sent.
            QueueFull, QueueUnavailable: as `send`.
        """
        sent = size = 0
        chunk: list[bytes] = []
        for event in events:
            body = self._codec.encode(event)
            if chunk and (len(chunk) == CHUNK_MAX_EVENTS or size + len(body) > CHUNK_MAX_BYTES):
                sent += self._append(chunk)
                chunk, size = [], 0
            chunk.append(body)
            size += len(body) + 1  # the comma
        return sent + (self._append(chunk) if chunk else 0)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _append(self, events: list[bytes]) -> int:
        step = append(
            self._keys,
            join(events),
            chunk_id=new_chunk_id(),
            source=self._source,
            caps=self._settings.caps,
        )
        with queue_errors(self._settings):
            run(self._client, step)
        return len(events)
