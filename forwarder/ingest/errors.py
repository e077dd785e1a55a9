"""What a caller is told when its request is not taken: the API's error shape, and what may be known outside."""

import re
import secrets
from typing import Final

import msgspec

from forwarder.answers import Refused, Reply, error_reply, refuse
from forwarder.errors import ForwarderError, InvalidFeedback, QueueFull
from forwarder.ingest.asgi import Headers

RETRY_AFTER_S: Final = 2
"""What a 503 asks for: Redis restarts within seconds, and a backlog shrinks as fast."""
RETRY: Final = {"Retry-After": str(RETRY_AFTER_S)}
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def request_id(headers: Headers) -> str:
    """The caller's own `x-request-id` when it is fit to be logged, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def unavailable(error: ForwarderError) -> Reply:
    """503: the events could not be stored. What Redis said is for the log, not for callers."""
    if isinstance(error, QueueFull):
        message = "the queue is full: nothing was stored; try again later"
    else:
        message = "the queue cannot be reached: send it again; the events may or may not be stored"
    return error_reply(503, message, headers=RETRY)


def wrong(body: bytes, error: InvalidFeedback) -> Refused:
    """400 for what is not JSON or is the Node SDK's broken array, else 422 with the place."""
    flaw = error.flaws[0]
    if not body.strip():
        return refuse(400, "the body is empty; send one feedback object, or an array of them")
    value = _decoded(body)
    if value is _NOT_JSON:
        return refuse(400, str(error), flaw.where or None)
    if _is_numbered(value):
        return refuse(
            400,
            'the body is an object with the keys "0", "1" and so on, which some versions of the Node SDK send for an '
            "array; send a JSON array of feedback objects: [{…}, {…}]",
        )
    return refuse(422, str(error), flaw.where or None)


_NOT_JSON: Final = object()


def _decoded(body: bytes) -> object:
    """The body's value; None for JSON that cannot be held, as a number out of every range."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.ValidationError, RecursionError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _NOT_JSON


def _is_numbered(value: object) -> bool:
    return isinstance(value, dict) and "0" in value and all(name.isdigit() for name in value)
