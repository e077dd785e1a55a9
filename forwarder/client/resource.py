"""`client.feedback`: the shape of the official SDK, so that moving over is an import.

    - from portkey_ai import Portkey
    - client = Portkey(api_key="…")
    + from forwarder import FeedbackClient
    + client = FeedbackClient()
      client.feedback.create(trace_id="trace-1", value=5, weight=0.5, metadata={"_user": "u1"})
      client.feedback.bulk_create(feedbacks=[{"trace_id": "trace-1", "value": 5}])

What comes back has the fields of the API's answer. It says that the events were taken over, not that they were
delivered, and the ids are ours: the API gives its own at delivery.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from forwarder.errors import UsageError
from forwarder.ids import FeedbackIds

UPDATES: Final = (
    "feedback is updated at the API itself (PUT /feedback/{id}): the id that it asks for exists only after delivery"
)

_ids = FeedbackIds()


@dataclass(frozen=True, slots=True)
class FeedbackResponse:
    """What became of a call.

    Attributes:
        status: `success`, or `failure` when an event broke the model (with `on_invalid="log"`; else the call raises).
        message: the same in words.
        feedback_ids: our ids, in the order of the input; empty after a failure.
    """

    status: str
    message: str
    feedback_ids: list[str] = field(default_factory=list)


class Feedback:
    """The calls of `portkey_ai.Portkey().feedback`; get it as `FeedbackClient().feedback`.

    Args:
        take: hands events over, all or none; answers whether it did.
    """

    def __init__(self, take: Callable[[Sequence[dict[str, Any]]], bool]) -> None:
        self._take = take

    def create(
        self,
        *,
        trace_id: str,
        value: int,
        weight: float | None = None,
        metadata: dict[str, Any] | None = None,
        text: str | None = None,
    ) -> FeedbackResponse:
        """Send one event; arguments and errors are those of `FeedbackClient.send`.

        >>> client.feedback.create(trace_id="trace-1", value=5).status
        'success'
        """
        event = _event(trace_id=trace_id, value=value, weight=weight, metadata=metadata, text=text)
        return _response(1, taken=self._take([event]))

    def bulk_create(self, *, feedbacks: Sequence[dict[str, Any]]) -> FeedbackResponse:
        """Send many events; when one of them breaks the model, none.

        >>> response = client.feedback.bulk_create(feedbacks=[{"trace_id": "trace-1", "value": 5}])
        >>> len(response.feedback_ids)
        1

        Raises:
            InvalidFeedback: an event breaks the model; the error names its position and the field.
        """
        return _response(len(feedbacks), taken=self._take(feedbacks))

    def update(self, **_: object) -> NoReturn:
        """There is nothing to update here.

        Raises:
            UsageError: always; it says where to.
        """
        raise UsageError(UPDATES)


class AsyncFeedback:
    """The same for coroutines; get it as `AsyncFeedbackClient().feedback`."""

    def __init__(self, take: Callable[[Sequence[dict[str, Any]]], Awaitable[bool]]) -> None:
        self._take = take

    async def create(
        self,
        *,
        trace_id: str,
        value: int,
        weight: float | None = None,
        metadata: dict[str, Any] | None = None,
        text: str | None = None,
    ) -> FeedbackResponse:
        """Send one event; see `Feedback.create`."""
        event = _event(trace_id=trace_id, value=value, weight=weight, metadata=metadata, text=text)
        return _response(1, taken=await self._take([event]))

    async def bulk_create(self, *, feedbacks: Sequence[dict[str, Any]]) -> FeedbackResponse:
        """Send many events, or none; see `Feedback.bulk_create`."""
        return _response(len(feedbacks), taken=await self._take(feedbacks))

    async def update(self, **_: object) -> NoReturn:
        """See `Feedback.update`."""
        raise UsageError(UPDATES)


def _event(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _response(number: int, *, taken: bool) -> FeedbackResponse:
    if not taken:
        return FeedbackResponse("failure", "an event breaks the model: nothing was sent; the log says which and why")
    return FeedbackResponse("success", f"{number} {'event' if number == 1 else 'events'} queued", _ids.take(number))
