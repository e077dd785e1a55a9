"""Faults of a server that is well but has limits: they depend on what is asked of it (pure)."""

from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator
from typing_extensions import override

from forwarder.answers import Reply, error_reply
from forwarder.sandbox.fault import Fault, Limit, RetryAfter, Seen, retry_after_header


class Refuse(Fault):
    """Refuses a whole request when one of its events has a certain field."""

    kind: Literal["refuse"]
    field: str = Field("trace_id", min_length=1, description="a path, as metadata._user")
    equals: JsonValue = Field(None, description="the field's value")
    contains: str | None = Field(None, min_length=1, description="a part of the field's text")
    status: int = Field(400, ge=400, le=599)
    message: str = "was refused by the sandbox"
    name_index: bool = Field(default=True, description="whether the answer says which event it is")

    @model_validator(mode="after")
    def _one_condition(self) -> "Refuse":
        if ("equals" in self.model_fields_set) == (self.contains is not None):
            raise ValueError("needs either equals or contains")
        return self

    @override
    def fits(self, seen: Seen) -> bool:
        return self._culprit(seen) is not None

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        if not self.name_index:
            return error_reply(self.status, f"an event {self.message}")
        where = f"[{self._culprit(seen)}].{self.field}"
        return error_reply(self.status, f"{where}: {self.message}", where)

    def _culprit(self, seen: Seen) -> int | None:
        return next((index for index, event in enumerate(seen.decoded) if self._matches(event)), None)

    def _matches(self, event: dict[str, Any]) -> bool:
        found: Any = event
        for part in self.field.split("."):
            if not isinstance(found, dict) or part not in found:
                return False
            found = found[part]
        if self.contains is not None:
            return isinstance(found, str) and self.contains in found
        return bool(found == self.equals) and isinstance(found, bool) == isinstance(self.equals, bool)


class Capacity(Fault):
    """429 for what comes while `limit` requests are being handled."""

    kind: Literal["capacity"]
    limit: Limit
    retry_after: RetryAfter | None = None

    @override
    def fits(self, seen: Seen) -> bool:
        return seen.in_flight > self.limit

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        headers = retry_after_header(self.retry_after)
        return error_reply(429, f"at most {self.limit} requests at once are taken", headers=headers)


class MaxEvents(Fault):
    """413 for arrays of more than `limit` events."""

    kind: Literal["max_events"]
    limit: Limit

    @override
    def fits(self, seen: Seen) -> bool:
        return seen.count > self.limit

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        return error_reply(413, f"at most {self.limit} events are taken, got {seen.count}")


class MaxBytes(Fault):
    """413 for bodies of more than `limit` bytes."""

    kind: Literal["max_bytes"]
    limit: Limit

    @override
    def fits(self, seen: Seen) -> bool:
        return seen.size > self.limit

    @override
    def reply(self, seen: Seen, normal: Reply | None) -> Reply:
        return error_reply(413, f"at most {self.limit} bytes are taken, got {seen.size}")
