"""A dead letter as a line of an export, and back (pure)."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from forwarder.errors import ForwarderError
from forwarder.key_settings import masked
from forwarder.parts import UNDECODABLE
from forwarder.queue.dead_letters import REASONS, DeadLetter

LINE_MAX_BYTES: Final = 67_108_864
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class BadLineError(ForwarderError):
    """A line that is no exported letter; its text says which field is wrong."""


class _Line(Struct, forbid_unknown_fields=True):
    """What a line holds; unknown fields are refused, so that a mistyped one is not lost."""

    body: str
    reason: str
    error: str = ""
    id: Annotated[str, Meta(pattern=r"^(\d{1,19}-\d{1,19})?$")] | None = None
    status: Annotated[int, Meta(ge=100, le=999)] | None = None
    attempts: _Count = 0
    at: _Count = 0
    source: str = ""
    batch: str = ""
    entry: str = ""
    replays: _Count = 0
    body_base64: str | None = None


_line = msgspec.json.Decoder(_Line)


def exported(letter: DeadLetter, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """A letter in full: a body that is not UTF-8 is added in base64, because nothing may be lost.

    Args:
        letter: as it is on the stream.
        secrets: texts that must not leave, should an upstream have quoted one in its error.
    """
    answer = letter.as_json()
    answer["error"] = masked(answer["error"], secrets)
    try:
        letter.body.decode()
    except UnicodeDecodeError:
        answer["body_base64"] = base64.b64encode(letter.body).decode()
    return answer


def written(letter: DeadLetter, secrets: Sequence[str] = ()) -> bytes:
    """The same as a line."""
    return json.dumps(exported(letter, secrets)).encode() + b"\n"


def read(line: bytes) -> DeadLetter:
    """A letter from its line, with the id that it had.

    Raises:
        BadLineError: it is none.
    """
    try:
        found = _line.decode(line)
        body = found.body.encode() if found.body_base64 is None else base64.b64decode(found.body_base64, validate=True)
    except binascii.Error:
        raise BadLineError("body_base64 is not base64") from None
    except (*UNDECODABLE, UnicodeEncodeError) as error:
        raise BadLineError(f"is no exported dead letter: {error}") from None
    if found.reason not in REASONS:
        raise BadLineError(f"reason {found.reason!r} is none of {', '.join(REASONS)}")
    return DeadLetter(
        body=body,
        reason=found.reason,
        error=found.error,
        status=found.status,
        attempts=found.attempts,
        at_ms=found.at,
        source=found.source.encode("utf-8", "replace"),
        batch=found.batch,
        entry=found.entry.encode("utf-8", "replace"),
        replays=found.replays,
        id=found.id or None,
    )


def identity(letter: DeadLetter) -> str:
    """What tells a letter of an export from every other."""
    digest = hashlib.sha256(letter.body).digest()[:12]
    return f"{letter.id or ''}/{base64.b64encode(digest).decode()}"
