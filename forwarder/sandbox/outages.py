"""Faults of a server that is unwell: they look at no event (pure)."""

import random
from typing import Final, Literal

import msgspec
from pydantic import Field, JsonValue
from typing_extensions import override

from forwarder.answers import Reply, error_reply, json_reply
from forwarder.sandbox.fault import (
    Fault,
    HeaderText,
    Milliseconds,
    RetryAfter,
    Seconds,
    Seen,
    TimedFault,
    retry_after_header,
)

GARBAGE: Final = "<html><body>This is not the Feedback API.</body></html>"
BODILESS: Final = (204, 304)


class Status(TimedFault):
    """Another status, with Retry-After, Location and a body of one's own."""

    kind: Literal["status"]
    status: int = Field(ge=200, le=599)
    retry_after: RetryAfter | None = None
    location: HeaderText | None = None
    body: JsonValue = Field(None, description="a string goes as text, anything else as JSON; by default an API error")

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        headers = retry_after_header(self.retry_after)
        if self.location is not None:
            headers["Location"] = self.location
        if self.status in BODILESS:
            return Reply(self.status, b"", headers=headers)
        if isinstance(self.body, str):
            return Reply(self.status, self.body.encode(), "text/plain", headers)
        if "body" in self.model_fields_set:
            return json_reply(self.body, self.status, headers)
        return error_reply(self.status, f"the sandbox was asked to answer {self.status}", headers=headers)


class Reset(TimedFault):
    """The TCP connection is reset."""

    kind: Literal["reset"]

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> None:
        return None


class Hang(TimedFault):
    """No answer until the seconds are over or the client has left; then 504, or the late success if stored."""

    kind: Literal["hang"]
    seconds: Seconds = 3_600

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        return normal or error_reply(504, f"the sandbox was asked to hang for {self.seconds:g} s")


class Garbage(TimedFault):
    """200 with a body that is not the API's."""

    kind: Literal["garbage"]
    body: str = GARBAGE

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        return Reply(200, self.body.encode(), "text/html")


class Failure(Fault):
    """200, but the body says that it failed; nothing is stored."""

    kind: Literal["failure"]
    message: str = "the sandbox was asked to fail"

    @override
    def fits(self, seen: Seen) -> bool:
        return seen.members is not None

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        return json_reply({"status": "failure", "message": self.message, "feedback_ids": []})


class ShortIds(Fault):
    """The events are stored, but ids are missing at the end of the answer."""

    kind: Literal["short_ids"]
    missing: int = Field(1, ge=1)

    @property
    @override
    def stores(self) -> bool:
        return True

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply | None:
        if normal is None:
            return None
        answer = msgspec.json.decode(normal.body)
        answer["feedback_ids"] = answer["feedback_ids"][: -self.missing]
        return json_reply(answer)


class Latency(Fault):
    """A wait before the request is handled; it comes on top of other faults."""

    kind: Literal["latency"]
    ms: Milliseconds
    jitter_ms: Milliseconds = 0

    @override
    def delay_s(self, dice: random.Random) -> float:
        return (self.ms + dice.uniform(0, self.jitter_ms)) / 1_000
