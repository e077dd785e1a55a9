"""The trace id of a generation, out of the response that brought it."""

from collections.abc import Mapping
from typing import Any, Final

from forwarder.errors import UsageError

TRACE_ID_HEADER: Final = "x-portkey-trace-id"


def trace_id_from(response: object) -> str | None:
    """The trace id in a response's headers; None when the gateway sent none.

        >>> trace_id_from({"X-Portkey-Trace-Id": "trace-1"})
        'trace-1'

    Args:
        response: of httpx, requests, aiohttp or urllib; what the OpenAI SDK's `with_raw_response` gives; an answer of
            the Portkey SDK; or the headers themselves, as a mapping.

    Raises:
        UsageError: it has no headers, as what the OpenAI SDK gives without `with_raw_response`.
    """
    headers = _headers(response)
    for name, value in headers.items():
        if _text(name).lower() == TRACE_ID_HEADER:
            return _text(value) or None
    return None


def _headers(response: Any) -> Any:  # noqa: ANN401 - whatever has headers
    if isinstance(response, Mapping):
        return response
    headers = getattr(response, "headers", None)
    if headers is None and callable(get_headers := getattr(response, "get_headers", None)):
        headers = get_headers()
    if not hasattr(headers, "items"):
        raise UsageError(
            f"a {type(response).__name__} has no headers: give trace_id_from the HTTP response, of the OpenAI SDK that "
            "of client.chat.completions.with_raw_response.create(…)"
        )
    return headers


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
