"""What is wrong with an event, in words: msgspec's messages turned into position, field and rule (pure)."""

import re
from dataclasses import dataclass

import msgspec

MALFORMED = "JSON is malformed: "
"""How msgspec begins its messages about syntax."""

_PATH = re.compile(r"^(?P<what>.*?)(?: - (?:at|in|key in) `\$(?:\[\d+\])?\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_GOT = re.compile(r", got `(?P<got>[^`]+)`")
_NAMED = re.compile(r"Object (?P<kind>contains unknown|missing required) field `(?P<field>.*)`", re.DOTALL)

_NOUNS = {"str": "a string", "int": "an integer", "float": "a fraction", "bool": "a boolean"}
_NOUNS |= {"array": "an array", "object": "an object", "null": "null"}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why one event, or a body as a whole, cannot be taken.

    Attributes:
        index: the event's position in its array; None for an event alone or a body as a whole.
        field: the field that is wrong; None when the whole is.
        problem: a clause that goes on after the field's name, e.g. `must be a string, got an integer`.
        raw: the event's bytes as they came.
    """

    index: int | None
    field: str | None
    problem: str
    raw: bytes

    @property
    def where(self) -> str:
        """The place in the body, as `[3].value`; empty for a body as a whole."""
        position = "" if self.index is None else f"[{self.index}]"
        if self.field is None:
            return position
        return f"{position}.{self.field}" if position else self.field

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" if self.where else self.problem


def explain(error: Exception, rules: dict[str, str]) -> tuple[str | None, str]:
    """The field that a msgspec error is about (None: the event as a whole) and the problem in words.

    Args:
        error: what the decoder raised.
        rules: for each field what it must be, as the rest of a sentence that begins with `must be`.
    """
    if isinstance(error, RecursionError):
        return "metadata", "is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return None, f"is not UTF-8: {error.reason} at byte {error.start} of a string"
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return None, f"is not JSON: {text.removeprefix(MALFORMED).lower()}"
    return _explain_validation(text, rules)


def _explain_validation(text: str, rules: dict[str, str]) -> tuple[str | None, str]:
    if named := _NAMED.match(text):
        if named["kind"].startswith("missing"):
            return named["field"], "is required"
        return named["field"], f"is not a known field; known are {', '.join(rules)}"
    match = _PATH.match(text)
    path = match["path"] if match else None
    got = _GOT.search(text)
    found = f", got {_NOUNS.get(got['got'], got['got'])}" if got else ""
    field, _, inside = re.sub(r"\[", ".[", path).partition(".") if path else (None, "", "")
    if field in rules and inside:
        return field, f"cannot be taken: {text[0].lower()}{text[1:].partition(' - ')[0]}"
    if field in rules:
        return field, f"must be {rules[field]}{found}"
    if text.startswith("Number out of range"):
        return None, "holds a number that is out of range"
    return None, f"must be an object with trace_id and value, or an array of such objects{found}"
