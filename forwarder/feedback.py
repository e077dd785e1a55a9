"""The event: one feedback object as the Feedback API takes it. Strict, and bytes in, bytes out (pure).

The rules: `trace_id` a non-empty string; `value` an integer from -10 to 10 (5.0 is 5; booleans and strings are not
numbers); `weight` a finite number from 0 to 1; `text` a string; `metadata` an object. The last three may be left out
or null, which is the same, and then are not on the wire. Any other field is refused by name.

Validation is msgspec's, not pydantic-core's: 500 events of 142 bytes cost 0.28 µs of CPU per event to decode into
structs against 1.13 µs through a strict pydantic TypedDict adapter (json.loads alone: 1.22 µs), and it says the field
and the position. It was measured with Python 3.11, msgspec 0.22 and pydantic-core 2.50; `make bench` repeats it.

A body that the strict decoder takes is forwarded as the bytes it is. Only a body that it refuses is taken apart, event
by event: what merely is not canonical (5.0, null) is written anew, what is wrong becomes a `Flaw`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from forwarder.culprits import (
    UNWRITABLE,
    found_number,
    largest_field,
    refuse_non_finite,
    unreadable_field,
    unwritable_field,
)
from forwarder.errors import InvalidFeedback
from forwarder.flaws import Flaw, explain
from forwarder.parts import UNDECODABLE, WHITESPACE, longest_part, raw_parts

VALUE_MIN: Final = -10
VALUE_MAX: Final = 10

_Value = Annotated[int, Meta(ge=VALUE_MIN, le=VALUE_MAX)]
_Weight = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the API does not document and each deployment may set.

    Attributes:
        trace_id_max_length: characters.
        event_max_bytes: the size of one event's JSON.
    """

    trace_id_max_length: int = 512
    event_max_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class Sifted:
    """A body taken apart: the events that can be sent, as canonical bytes, and what is wrong with the others."""

    good: list[bytes]
    bad: list[Flaw]


class Members(Struct, frozen=True, gc=False):
    """Valid events as they stand inside a JSON array: joined with commas, without the brackets.

    A struct, since one is made for every request of the ingest, and a frozen dataclass costs three times as much.

    Attributes:
        joined: their bytes.
        count: how many.
        traceparents: of the spans in which they were handed over; none unless somebody traces.
    """

    joined: bytes
    count: int
    traceparents: tuple[str, ...] = ()


class Codec:
    """Reads and writes events under one set of limits; get one with `codec(limits)`, which remembers it."""

    def __init__(self, limits: Limits) -> None:
        trace_id_type = Annotated[str, Meta(min_length=1, max_length=limits.trace_id_max_length)]

        class Strict(Struct, forbid_unknown_fields=True, gc=False):
            """The canonical form."""

            trace_id: trace_id_type
            value: _Value
            weight: _Weight | UnsetType = UNSET
            text: str | UnsetType = UNSET
            metadata: dict[str, Any] | UnsetType = UNSET

        class Lenient(Struct, forbid_unknown_fields=True, gc=False, omit_defaults=True):
            """What is taken and then written in the canonical form; the default None is left out."""

            trace_id: trace_id_type
            value: _Value | Annotated[float, Meta(ge=VALUE_MIN, le=VALUE_MAX)]
            weight: _Weight | None = None
            text: str | None = None
            metadata: dict[str, Any] | None = None

        self._limits = limits
        self._strict = msgspec.json.Decoder(Strict | list[Strict])
        self._strict_one = msgspec.json.Decoder(Strict)
        self._lenient_one = msgspec.json.Decoder(Lenient)
        self._rules = {
            "trace_id": f"a non-empty string of at most {limits.trace_id_max_length} characters",
            "value": f"an integer from {VALUE_MIN} to {VALUE_MAX}",
            "weight": "a finite number from 0 to 1",
            "text": "a string",
            "metadata": "an object",
        }

    def parse(self, body: bytes) -> Members:
        """The events of one object or an array.

        Raises:
            InvalidFeedback: something is wrong with the body or with any event; nothing of it is to be taken.
        """
        members = self.members(body)
        if members is not None:
            return members
        sifted = self.sift(body)
        if sifted.bad:
            raise InvalidFeedback(sifted.bad)
        return join(sifted.good)

    def members(self, body: bytes) -> Members | None:
        """The hot path: one decode of the whole body. None when it is not canonical and `sift` must look closer."""
        try:
            events = self._strict.decode(body)
        except UNDECODABLE:
            return None
        most = self._limits.event_max_bytes
        if len(body) > most and longest_part(body) > most:
            return None
        if not isinstance(events, list):
            return Members(body.strip(WHITESPACE), 1)
        return Members(body.strip(WHITESPACE)[1:-1], len(events)) if events else None

    def are_events(self, bodies: Sequence[bytes]) -> bool:
        """Whether each of these bodies is one event that is forwarded as it is."""
        if len(max(bodies, key=len)) > self._limits.event_max_bytes:
            return False
        try:
            deque(map(self._strict_one.decode, bodies), maxlen=0)
        except UNDECODABLE:
            return False
        return True

    def sift(self, body: bytes) -> Sifted:
        """Take a body apart; never raises. A body that is not JSON, or an empty array, is one flaw of its own."""
        try:
            parts = raw_parts(body)
        except UNDECODABLE as error:
            _, problem = explain(error, self._rules)
            return Sifted([], [Flaw(None, None, problem, body)])
        if not parts:
            return Sifted([], [Flaw(None, None, "is an empty array: it holds no event", body)])
        alone = not body.lstrip(WHITESPACE).startswith(b"[")
        sifted = Sifted([], [])
        for index, raw in enumerate(parts):
            outcome = self._canonical(raw, None if alone else index)
            if isinstance(outcome, Flaw):
                sifted.bad.append(outcome)
            else:
                sifted.good.append(outcome)
        return sifted

    def encode(self, event: dict[str, Any]) -> bytes:
        """One event from Python values to its canonical bytes.

        Raises:
            InvalidFeedback: a value is of the wrong type or out of its range.
        """
        try:
            raw = msgspec.json.encode(event)
            if b"null" in raw:  # msgspec writes NaN and infinities as null
                refuse_non_finite(msgspec.to_builtins(event))
        except UNWRITABLE as error:
            raise InvalidFeedback(
                [Flaw(None, unwritable_field(event), f"cannot be written as JSON: {error}", b"")]
            ) from None
        outcome = self._canonical(raw, None)
        if isinstance(outcome, Flaw):
            raise InvalidFeedback([outcome])
        return outcome

    def is_canonical(self, raw: bytes) -> bool:
        """Whether these bytes are one event that is forwarded as it is."""
        try:
            self._strict_one.decode(raw)
        except UNDECODABLE:
            return False
        return len(raw) <= self._limits.event_max_bytes

    def _canonical(self, raw: bytes, index: int | None) -> bytes | Flaw:
        """One event in its canonical form, or why it has none."""
        if len(raw) > self._limits.event_max_bytes:
            problem = f"the event has {len(raw)} bytes; at most {self._limits.event_max_bytes} are allowed"
            return Flaw(index, largest_field(raw), problem, raw)
        try:
            self._strict_one.decode(raw)
        except UNDECODABLE:
            return self._rewritten(raw, index)
        return raw

    def _rewritten(self, raw: bytes, index: int | None) -> bytes | Flaw:
        try:
            event = self._lenient_one.decode(raw)
        except UNDECODABLE as error:
            field, problem = explain(error, self._rules)
            field = unreadable_field(raw) if field is None else field
            return Flaw(index, field, problem + found_number(raw, field, problem), raw)
        if isinstance(event.value, float):
            if not event.value.is_integer():
                return Flaw(index, "value", f"must be {self._rules['value']}, got {event.value}", raw)
            event.value = int(event.value)
        return msgspec.json.encode(event)


@lru_cache(maxsize=8)
def codec(limits: Limits = Limits()) -> Codec:
    """The codec for these limits; building the decoders costs a millisecond, so they are kept."""
    return Codec(limits)


def join(events: Sequence[bytes]) -> Members:
    """Valid events, joined as members of an array."""
    return Members(b",".join(events), len(events))


def split(members: bytes) -> list[bytes]:
    """The single events of joined members, as slices of the same bytes."""
    return raw_parts(b"[" + members + b"]")
