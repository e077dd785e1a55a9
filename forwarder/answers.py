"""Replies as plain values, and the one shape in which errors are told (pure)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

JSON: Final = "application/json"
JSON_LINES: Final = "application/x-ndjson"

_KINDS: Final = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("not_found_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "timeout"),
    409: ("invalid_request_error", "conflict"),
    413: ("invalid_request_error", "too_large"),
    415: ("invalid_request_error", "unsupported_media_type"),
    422: ("invalid_request_error", "invalid_definition"),
    429: ("rate_limit_error", "rate_limited"),
    431: ("invalid_request_error", "header_too_large"),
}
"""`type` and `code` of an error, by status; what is not listed is told by `_kind`."""
_SERVER_ERROR: Final = 500


class Reply(msgspec.Struct, frozen=True):
    """An answer before it is put on the wire; a struct, which costs a tenth of a dataclass to make."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = {}


class Refused(Exception):
    """A request that is not taken; carries the reply that says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def json_reply(payload: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, msgspec.json.encode(payload), headers=headers or {})


def error_reply(status: int, message: str, param: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """An error in the API's shape; `param` is the place in the request, as `[3].value`."""
    kind, code = _kind(status)
    error: dict[str, Any] = {"message": message, "type": kind, "code": code, "param": param}
    return json_reply({"error": error}, status, headers)


def refuse(status: int, message: str, param: str | None = None, headers: Mapping[str, str] | None = None) -> Refused:
    """An exception to raise where a request cannot be taken."""
    return Refused(error_reply(status, message, param, headers))


def success_reply(message: str, feedback_ids: list[str], status: int = 200) -> Reply:
    """What the API says when it has taken feedback; the ids are in the order of the input."""
    return Reply(status, msgspec.json.encode({"status": "success", "message": message, "feedback_ids": feedback_ids}))


def _kind(status: int) -> tuple[str, str]:
    if status in _KINDS:
        return _KINDS[status]
    return ("server_error", "unavailable") if status >= _SERVER_ERROR else ("invalid_request_error", "refused")
