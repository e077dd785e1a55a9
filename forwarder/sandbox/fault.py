"""What all faults have in common, and what of a request they look at (pure)."""

import random
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from forwarder.answers import Reply
from forwarder.feedback import Members

HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
RetryAfter = HeaderText | Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Milliseconds = Annotated[float, Field(ge=0, le=600_000)]
Limit = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Seen:
    """What of a request decides which fault befalls it.

    Attributes:
        size: bytes of the body.
        in_flight: feedback requests that are being handled, this one included.
        members: the events; None when the API itself refuses the request, whatever the faults.
    """

    size: int = 0
    in_flight: int = 1
    members: Members | None = None

    @cached_property
    def decoded(self) -> list[dict[str, Any]]:
        """The events as Python values; decoded once, and only for faults that look inside."""
        events: list[dict[str, Any]] = msgspec.json.decode(b"[" + self.members.joined + b"]") if self.members else []
        return events

    @property
    def count(self) -> int:
        """How many events there are."""
        return self.members.count if self.members else 0


class Fault(BaseModel):
    """One way to be unwell: for a `share` of the requests that it fits, at most `count` of them, during `for_s`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: str
    share: float = Field(1, ge=0, le=1, description="of the requests that fit")
    count: int | None = Field(None, ge=1, description="requests after which it is spent")
    for_s: Seconds | None = Field(None, description="seconds after which it is over")

    @property
    def stores(self) -> bool:
        """Whether the events are stored before it strikes, so that only the answer is wrong or lost."""
        return False

    def fits(self, seen: Seen) -> bool:
        """Whether it can befall this request at all."""
        return seen.members is not None or not self.stores

    def delay_s(self, dice: random.Random) -> float:  # noqa: ARG002 - only latency has one
        """How long the request waits before it is handled."""
        return 0

    def reply(self, seen: Seen, normal: Reply | None) -> Reply | None:
        """The answer in place of the normal one (None before storing); None drops the connection."""
        raise NotImplementedError


class TimedFault(Fault):
    """A fault that can strike before or after the events are stored."""

    when: Literal["before", "after"] = "before"

    @property
    @override
    def stores(self) -> bool:
        return self.when == "after"


def retry_after_header(value: str | float | None) -> dict[str, str]:
    """The header as asked for, seconds or any text."""
    return {} if value is None else {"Retry-After": str(value)}
