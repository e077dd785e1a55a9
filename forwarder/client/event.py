"""The caller's arguments to an event's bytes, in about a microsecond (pure).

What is plainly right is checked and written here. Everything else goes the codec's way, which also takes what merely is
not canonical (5.0 for 5) and says what is wrong with the rest; both ways write the same bytes.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from forwarder.culprits import UNWRITABLE
from forwarder.feedback import VALUE_MAX, VALUE_MIN, Codec, Limits, codec

VALUES: Final = frozenset(range(VALUE_MIN, VALUE_MAX + 1))


class _Event(Struct, omit_defaults=True, gc=False):
    """Fields in the order in which the codec writes them."""

    trace_id: str
    value: int
    weight: float | None = None
    text: str | None = None
    metadata: dict[str, Any] | None = None


class EventWriter:
    """Checks and writes events under one set of limits."""

    def __init__(self, limits: Limits) -> None:
        self._codec: Codec = codec(limits)
        self._trace_id_max_length = limits.trace_id_max_length
        self._event_max_bytes = limits.event_max_bytes
        self._encode = msgspec.json.Encoder().encode

    def write(
        self,
        trace_id: str,
        value: int,
        weight: float | None = None,
        text: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> bytes:
        """The canonical bytes of one event.

        Raises:
            InvalidFeedback: a value is of the wrong type or out of its range.
        """
        try:
            if (
                type(value) is int
                and value in VALUES
                and type(trace_id) is str
                and 0 < len(trace_id) <= self._trace_id_max_length
                and (weight is None or (type(weight) is float and 0.0 <= weight <= 1.0))
                and (text is None or type(text) is str)
            ):
                body = self._encode(_Event(trace_id, value, weight, text, metadata))
                if len(body) <= self._event_max_bytes and (metadata is None or self._is_plain(body)):
                    return body
        except UNWRITABLE:  # the codec names the field
            pass
        values = (trace_id, value, weight, text, metadata)
        return self._codec.encode(dict(zip(_Event.__struct_fields__, values, strict=True)))

    def write_event(self, event: dict[str, Any]) -> bytes:
        """The same for a dictionary; a field that is not known is refused by its name."""
        try:
            return self.write(**event)
        except TypeError:
            return self._codec.encode(event)

    def _is_plain(self, body: bytes) -> bool:
        """Whether it holds nothing to look at more closely; NaN and infinities in metadata were written as null."""
        return b"null" not in body and self._codec.is_canonical(body)
