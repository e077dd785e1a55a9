"""What a setting may be, in words: for `forwarder config` and for the errors about wrong variables."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

_LOWER = {"ge": "from {}", "gt": "above {}"}
_UPPER = {"le": "to {}", "lt": "below {}"}


def allowed(info: FieldInfo) -> str:
    """`an integer from 1 to 500`, `a number above 0`, `portkey | bearer`, …; empty when every text is."""
    if get_origin(info.annotation) is Literal:
        return " | ".join(get_args(info.annotation))
    if info.annotation is bool:
        return "on | off"
    for constraint in info.metadata:
        if getattr(constraint, "pattern", None):
            return f"text that matches {constraint.pattern}"
    kind = {int: "an integer", float: "a number"}.get(_plain(info.annotation), "")
    bounds = [*_bounds(info, _LOWER), *_bounds(info, _UPPER)]
    return " ".join([kind, *bounds]) if kind else ""


def _bounds(info: FieldInfo, words: dict[str, str]) -> list[str]:
    return [
        text.format(_figure(getattr(constraint, bound)))
        for constraint in info.metadata
        for bound, text in words.items()
        if hasattr(constraint, bound)
    ]


def _figure(bound: float) -> float:
    """A million is 1000000, also where a fraction may be."""
    return int(bound) if bound == int(bound) else bound


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - any type
    """`int` for `int | None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(member for member in get_args(annotation) if member is not type(None))
    return annotation
