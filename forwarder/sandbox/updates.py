"""The body of `PUT /v1/feedback/{id}`: a new value and, if given, a new weight and new metadata (pure)."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from forwarder.answers import refuse
from forwarder.feedback import VALUE_MAX, VALUE_MIN
from forwarder.flaws import Flaw, explain
from forwarder.parts import UNDECODABLE

_RULES: Final = {
    "value": f"an integer from {VALUE_MIN} to {VALUE_MAX}",
    "weight": "a finite number from 0 to 1",
    "metadata": "an object",
}
_Integer = Annotated[int, Meta(ge=VALUE_MIN, le=VALUE_MAX)]
_Fraction = Annotated[float, Meta(ge=VALUE_MIN, le=VALUE_MAX)]


class _Body(Struct, forbid_unknown_fields=True):
    value: _Integer | _Fraction
    weight: Annotated[float, Meta(ge=0, le=1)] | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """What changes; None leaves a field as it is.

    Attributes:
        value: the new value.
        weight: the new weight.
        metadata: the new metadata as JSON text, in place of the old as a whole.
    """

    value: int
    weight: float | None = None
    metadata: str | None = None


_decoder = msgspec.json.Decoder(_Body)


def parse_update(body: bytes) -> Update:
    """The update in a body.

    Raises:
        Refused: 400; the body is not JSON, or names the wrong field.
    """
    try:
        new = _decoder.decode(body)
    except UNDECODABLE as error:
        field, problem = explain(error, _RULES)
        if field is None and isinstance(error, msgspec.ValidationError):
            problem = "must be an object with value"
        raise refuse(400, str(Flaw(None, field, problem, body)), field) from None
    if new.value != int(new.value):
        raise refuse(400, f"value: must be {_RULES['value']}, got {new.value}", "value")
    metadata = None if new.metadata is None else msgspec.json.encode(new.metadata).decode()
    return Update(int(new.value), new.weight, metadata)
