"""Which event of an array does a refusal name? Upstreams that say so save most of the probing (pure)."""

import re
from typing import Any, Final, TypeGuard

_NUMBER: Final = re.compile(r"\[(\d{1,6})\]|^/?(\d{1,6})(?=[./]|$)")
"""`[3].value`, `/3/value`, `3.value`."""
_IN_PROSE: Final = re.compile(r"\[(\d{1,6})\]")
_PLACES: Final = ("index", "param", "path", "pointer", "loc", "location", "field")


def named_index(body: dict[str, Any]) -> int | None:
    """The position, from 0, of the one event that an error body names; None when it names none.

    Looks where JSON APIs put it: `index`, `param`, `pointer`, `loc` and the like, of the body, of its `error`, or of
    the first of its `errors` or `detail`; and at a position in brackets in the message.
    """
    for problem in _problems(body):
        for place in _PLACES:
            found = _index(problem.get(place))
            if found is not None:
                return found
    for problem in _problems(body):
        match = _IN_PROSE.search(str(problem.get("message") or problem.get("msg") or ""))
        if match:
            return int(match[1])
    return None


def _problems(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that may describe the refusal, the most special first."""
    found: list[dict[str, Any]] = []
    for name in ("error", "errors", "detail", "details"):
        value = body.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            found.append(value)
    return [*found, body]


def _index(place: object) -> int | None:
    if isinstance(place, list):  # as pydantic's ["body", 3, "value"]
        return next((part for part in place if _is_index(part)), None)
    if isinstance(place, str):
        match = _NUMBER.search(place)
        return int(match[1] or match[2]) if match else None
    return place if _is_index(place) else None


def _is_index(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
