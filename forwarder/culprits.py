"""Which field of an event is at fault, where the decoder and the encoder do not say it (pure)."""

import json
import math
from collections.abc import Iterable
from typing import Any, Final

import msgspec

UNWRITABLE: Final = (TypeError, ValueError, OverflowError, RecursionError)
"""What writing JSON raises."""


def refuse_non_finite(value: Any) -> None:  # noqa: ANN401 - whatever stood in metadata, as builtins
    """See that it holds no NaN and no infinity, which msgspec would write as null.

    Raises:
        ValueError: it holds one.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    children: Iterable[Any] = ()
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list | tuple):
        children = value
    for child in children:
        refuse_non_finite(child)


def unwritable_field(event: dict[str, Any]) -> str | None:
    """The field whose value cannot be written as JSON; None when there is none."""
    for field, value in event.items():
        try:
            msgspec.json.encode(value)
            refuse_non_finite(msgspec.to_builtins(value))
        except UNWRITABLE:
            return field
    return None


def unreadable_field(raw: bytes) -> str | None:
    """The field for which strict JSON refuses these bytes; None when it is not one field."""
    return unwritable_field(_loosely(raw))


def _loosely(raw: bytes) -> dict[str, Any]:
    """An event that strict JSON refuses, read with everything the standard library lets pass."""
    try:
        event = json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def found_number(raw: bytes, field: str | None, problem: str) -> str:
    """`, got 11` for a number out of its range; other values are not quoted, they may be personal."""
    value = _loosely(raw).get(field) if field in ("value", "weight") and "got" not in problem else None
    return f", got {value}" if isinstance(value, int | float) and abs(value) < 1e9 else ""  # noqa: PLR2004 - legible


def largest_field(raw: bytes) -> str | None:
    """The field that makes an event too large; None when the bytes are no event."""
    event = _loosely(raw)
    return max(event, key=lambda name: len(str(event[name])), default=None)
