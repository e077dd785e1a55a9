"""What a replay is to do: which letters, mended how, how many, how fast, where to (pure)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from forwarder.dead.selection import Selection
from forwarder.errors import InvalidFeedback, UsageError
from forwarder.feedback import Codec
from forwarder.parts import UNDECODABLE

EVENT_FIELDS: Final = ("trace_id", "value", "weight", "text", "metadata")
_SOUND: Final = {"trace_id": b'"t"', "value": b"0"}
"""An event to which any edit that makes sense can be applied."""


class Plan(Struct, frozen=True, omit_defaults=True):
    """What a replay is to do.

    Attributes:
        selection: which letters.
        edits: the new JSON of fields, by name; `null` leaves the field out.
        trace_ids: what tells the map by which trace ids are replaced from others; letters that are not in it stay dead.
            Empty for none.
        to: the destination; empty for the letters' own.
        limit: most letters to move; None for all.
        rate: most letters moved per second; None for as fast as it goes.
        canary: letters that are sent first, whose delivery is awaited; 0 for none.
        max_replays: letters that were replayed so often already stay dead; None for no bound.
        body: an event that takes the place of a letter's; empty for none.
    """

    selection: Selection
    edits: dict[str, str] = msgspec.field(default_factory=dict)
    trace_ids: str = ""
    to: str = ""
    limit: int | None = None
    rate: float | None = None
    canary: int = 0
    max_replays: int | None = None
    body: str = ""

    @property
    def json(self) -> bytes:
        """For the record in Redis."""
        return msgspec.json.encode(self, order="sorted")

    def same_but_for_times(self, other: "Plan") -> bool:
        """Whether the other does the same to the same letters; `--since 2h` means another moment each time."""
        timed = replace(self.selection, since_ms=other.selection.since_ms, until_ms=other.selection.until_ms)
        return replace(self, selection=timed) == other


def read_plan(raw: bytes) -> Plan:
    """A plan from a record."""
    return msgspec.json.decode(raw, type=Plan)


def parse_edits(assignments: Sequence[str], unset: Sequence[str] = ()) -> dict[str, str]:
    """`field=value` texts, and fields to leave out, as new JSON by field.

    trace_id and text take the value as it stands; the others are JSON.

    Raises:
        UsageError: not of that form, a field that events do not have, one that is named twice, or no JSON.
    """
    edits: dict[str, str] = {}
    for name, value in (*map(_assignment, assignments), *((_unset(field), "null") for field in unset)):
        if name in edits:
            raise UsageError(f"{name} is given twice: --set or --unset a field once")
        edits[name] = value
    return edits


def check_edits(edits: Mapping[str, str], codec: Codec) -> None:
    """See that the edits make sense, before any letter is touched.

    Raises:
        UsageError: no event could have such a field; says what is allowed.
    """
    event = msgspec.json.encode({name: msgspec.Raw(value) for name, value in (_SOUND | as_json(edits)).items()})
    try:
        codec.parse(event)
    except InvalidFeedback as error:
        option = "--set" if edits.get(error.flaws[0].field or "") != "null" else "--unset"
        raise UsageError(f"{option} {error.flaws[0]}") from None


def check_body(body: str, codec: Codec) -> None:
    """See that a text is one event.

    Raises:
        UsageError: it is not; says why.
    """
    try:
        count = codec.parse(body.encode("utf-8", "replace")).count
    except InvalidFeedback as error:
        raise UsageError(f"this is no valid event: {error.flaws[0]}") from None
    if count != 1:
        raise UsageError(f"this holds {count} events; a dead letter is one")


def as_json(edits: Mapping[str, str]) -> dict[str, bytes]:
    """Edits as bytes, as they are put into bodies."""
    return {name: value.encode() for name, value in edits.items()}


def digest_of(trace_ids: Mapping[str, str]) -> str:
    """What tells a map of trace ids from others; empty for none."""
    return hashlib.sha256(msgspec.json.encode(trace_ids, order="sorted")).hexdigest()[:16] if trace_ids else ""


def check_trace_ids(pairs: Iterable[tuple[int, str, str]], codec: Codec, name: str) -> dict[str, str]:
    """A map of trace ids, each checked.

    Args:
        pairs: line, old and new trace id.
        codec: says what a trace id may be.
        name: of the file, for messages.

    Raises:
        UsageError: a new one cannot be a trace id, or an old one has two new ones; names the line.
    """
    found: dict[str, str] = {}
    for line, old, new in pairs:
        try:
            codec.encode({"trace_id": new, "value": 0})
        except InvalidFeedback as error:
            raise UsageError(f"{name}:{line}: {error.flaws[0]}") from None
        if found.setdefault(old, new) != new:
            raise UsageError(f"{name}:{line}: {old!r} is to become {new!r} here and {found[old]!r} before")
    if not found:
        raise UsageError(f"{name} maps no trace id")
    return found


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in EVENT_FIELDS:
        raise UsageError(f"--set {text!r}: write field=value with one of {', '.join(EVENT_FIELDS)}")
    if name in ("trace_id", "text") and value != "null":
        return name, msgspec.json.encode(value).decode()
    try:
        msgspec.json.decode(value)
    except UNDECODABLE:
        raise UsageError(f"--set {text!r}: {value!r} is not JSON (a number, null or an object)") from None
    return name, value


def _unset(field: str) -> str:
    if field not in EVENT_FIELDS:
        raise UsageError(f"--unset {field!r}: events have {', '.join(EVENT_FIELDS)}")
    return field
