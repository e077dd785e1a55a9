"""FeedbackClient: hand events over to the queue."""

import weakref
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from forwarder.client.event import EventWriter
from forwarder.client.outcome import FlushResult
from forwarder.client.resource import Feedback
from forwarder.errors import InvalidFeedback, UsageError

if TYPE_CHECKING:  # imported when the first client is made: `import forwarder` stays quick
    from forwarder.client.courier import Courier, Overflow
    from forwarder.client.direct import Direct
    from forwarder.client.drops import OnDrop
    from forwarder.redis_settings import Durability
    from forwarder.settings import Settings

FLUSH_S: Final = 10.0
"""How long `flush` and `close` wait, unless they are told."""


class FeedbackClient:
    """Sends feedback to the queue.

        >>> from forwarder import FeedbackClient
        >>> client = FeedbackClient(source="checkout")
        >>> client.send(trace_id="trace-1", value=5, text="spot on")
        >>> client.thumbs_down("trace-2", text="made that up")
        >>> client.close()
        FlushResult(appended=2, spilled=0, dropped=0, refused=0, pending=0)

    With `mode="buffered"` a call takes microseconds, never waits for Redis and never raises because of it: two threads
    bring the events to the queue, or to a file from which this process or the next one does it later. With
    `mode="direct"` a call returns when Redis has the events, and raises when it has not.

    Args:
        source: the name of the calling service; it stays with the events, also as dead letters.
        destination: which upstream they are for, unless a call says otherwise.
        mode: `buffered` or `direct`.
        durability: what the events have reached when a `direct` call returns, or a buffer forgets them: Redis's
            `memory`, its append-only file (`aof`: Redis 7.2 or Valkey), or one `replica`; FORWARDER_DURABILITY when
            not given.
        on_invalid: what happens to an event that breaks the model: `raise`, or `log` and count it.
        overflow: what happens when the buffer is full: `spill` to the file, `drop_newest`, `drop_oldest`, or `block`
            the caller, at most `block_s`. Only with `spill` does the file also take what Redis does not; with the
            others events wait in the buffer, and go to the file when the process ends.
        block_s: see `overflow`; after it the event is dropped.
        on_drop: called with a `Drop` whenever events are lost, in the thread that finds it out.
        settings: FORWARDER_* variables when not given.

    Attributes:
        feedback: the calls of the official SDK, `create` and `bulk_create`.

    Raises:
        InvalidSettings: a variable is wrong, or the destination is not configured.
        UsageError: arguments that do not fit together.
    """

    def __init__(
        self,
        *,
        source: str = "",
        destination: str = "default",
        mode: Literal["buffered", "direct"] = "buffered",
        durability: "Durability | None" = None,
        on_invalid: Literal["raise", "log"] = "raise",
        overflow: "Overflow" = "spill",
        block_s: float = 1.0,
        on_drop: "OnDrop | None" = None,
        settings: "Settings | None" = None,
    ) -> None:
        from forwarder.client import ways  # noqa: PLC0415 - see above
        from forwarder.settings import load_settings  # noqa: PLC0415 - see above

        _check("mode", mode, ("buffered", "direct"))
        _check("durability", durability or "memory", ("memory", "aof", "replica"))
        _check("on_invalid", on_invalid, ("raise", "log"))
        _check("overflow", overflow, ("spill", "drop_newest", "drop_oldest", "block"))
        self._settings = settings or load_settings()
        if durability is not None:
            self._settings = self._settings.model_copy(update={"durability": durability})
        self._settings.upstream(destination)  # raises when it is not configured
        self._destination = destination
        self._raises = on_invalid == "raise"
        self._writer = EventWriter(self._settings.limits)
        self._write = self._writer.write
        self._known = {destination}
        self.feedback = Feedback(self.send_all)
        self._way: Courier | Direct
        if mode == "direct":
            self._way = ways.direct(self._settings, source=source)
        else:
            self._way = ways.buffered(
                self._settings, source=source, overflow=overflow, block_s=block_s, on_drop=on_drop
            )
            weakref.finalize(self, self._way.retire).atexit = False

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
        destination: str | None = None,
    ) -> None:
        """Send one event.

            >>> client.send(trace_id="trace-1", value=-5, weight=0.5, metadata={"_user": "u1"})

        Args:
            trace_id: of the generation or conversation that the feedback is about.
            value: from -10 to 10.
            weight: from 0 to 1; the API takes 1.0 when it is left out.
            text: a comment.
            metadata: anything else; `_user`, `_prompt` and `_environment` are what the API groups by.
            destination: another than the client's.

        Raises:
            InvalidFeedback: a value breaks the model; nothing was sent. Not with `on_invalid="log"`.
            InvalidSettings: the destination is not configured.
            QueueFull: with `direct`: the backlog is at its cap; nothing was stored.
            QueueUnavailable: with `direct`: Redis is away or refuses us.
        """
        to = self._destination if destination is None else self._checked(destination)
        try:
            event = self._write(trace_id, value, weight, text, metadata)
        except InvalidFeedback as error:
            self._refuse(to, error)
        else:
            self._way.send(to, event)

    def thumbs_up(self, trace_id: str, text: str | None = None, *, destination: str | None = None) -> None:
        """Send value 1; raises as `send`.

        >>> client.thumbs_up("trace-1")
        """
        self.send(trace_id=trace_id, value=1, text=text, destination=destination)

    def thumbs_down(self, trace_id: str, text: str | None = None, *, destination: str | None = None) -> None:
        """Send value -1; raises as `send`.

        >>> client.thumbs_down("trace-1", "too long")
        """
        self.send(trace_id=trace_id, value=-1, text=text, destination=destination)

    def send_many(self, events: Iterable[dict[str, Any]], *, destination: str | None = None) -> int:
        """Send many events; answers how many were valid.

            >>> client.send_many({"trace_id": f"trace-{n}", "value": n} for n in range(3))
            3

        Raises:
            InvalidFeedback: an event breaks the model; those before it are sent (with `direct`, in whole appends of
                500). Not with `on_invalid="log"`.
            InvalidSettings, QueueFull, QueueUnavailable: as `send`.
        """
        to = self._destination if destination is None else self._checked(destination)
        return self._way.send_many(to, self._written(to, events))

    def send_all(self, events: Iterable[dict[str, Any]], *, destination: str | None = None) -> bool:
        """Send many events, or none when one of them breaks the model; whether they were sent.

            >>> client.send_all([{"trace_id": "trace-1", "value": 1}, {"trace_id": "trace-2", "value": -1}])
            True

        Raises:
            InvalidFeedback: an event breaks the model; nothing was sent. Not with `on_invalid="log"`.
            InvalidSettings, QueueFull, QueueUnavailable: as `send`.
        """
        to = self._destination if destination is None else self._checked(destination)
        given = list(events)
        written = list(self._written(to, given))
        if len(written) < len(given):
            return False
        self._way.send_many(to, written)
        return True

    def flush(self, timeout_s: float = FLUSH_S) -> FlushResult:
        """Wait until everything that was sent is in Redis or in the spill file; answers what became of it.

            >>> client.flush(timeout_s=2).safe
            True

        Args:
            timeout_s: longest wait; what is still on its way then is `pending`.
        """
        return self._way.flush(timeout_s)

    def close(self, timeout_s: float = FLUSH_S) -> FlushResult:
        """Flush, put what is left then into the spill file, and end; a later `send` is counted as dropped."""
        return self._way.close(timeout_s)

    def _written(self, destination: str, events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
        for event in events:
            try:
                yield self._writer.write_event(event)
            except InvalidFeedback as error:
                self._refuse(destination, error)

    def _refuse(self, destination: str, error: InvalidFeedback) -> None:
        if self._raises:
            raise error
        self._way.refused(destination, str(error))

    def _checked(self, destination: str) -> str:
        if destination not in self._known:
            self._settings.upstream(destination)
            self._known.add(destination)
        return destination


def _check(name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise UsageError(f"{name} must be one of {', '.join(allowed)}, not {given!r}")
