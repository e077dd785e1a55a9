"""Trace ids out of real response objects, none of which needs a server."""

from email.message import Message
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import requests
from requests.structures import CaseInsensitiveDict

from forwarder import trace_id_from
from forwarder.errors import UsageError


def of_requests(headers: dict[str, str]) -> requests.Response:
    response = requests.Response()
    response.headers = CaseInsensitiveDict(headers)
    return response


def of_urllib(headers: dict[str, str]) -> Any:  # noqa: ANN401 - any response
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return SimpleNamespace(headers=message)


@pytest.mark.parametrize(
    "make",
    [
        lambda headers: httpx.Response(200, headers=headers),
        of_requests,
        of_urllib,
        dict,
        lambda headers: {name.encode(): value.encode() for name, value in headers.items()},
        lambda headers: SimpleNamespace(get_headers=lambda: headers),
    ],
    ids=["httpx", "requests", "urllib", "mapping", "ASGI's bytes", "Portkey's answer"],
)
@pytest.mark.parametrize("name", ["x-portkey-trace-id", "X-Portkey-Trace-Id"])
def test_the_trace_id_is_found_in_whatever_has_headers(make: Any, name: str) -> None:  # noqa: ANN401 - any response
    assert trace_id_from(make({"content-type": "application/json", name: "trace-1"})) == "trace-1"
    assert trace_id_from(make({"content-type": "application/json"})) is None
    assert trace_id_from(make({name: ""})) is None


@pytest.mark.parametrize("response", [None, "text", SimpleNamespace(id="chatcmpl-1"), SimpleNamespace(headers="x")])
def test_what_has_no_headers_is_refused_with_the_way_to_them(response: object) -> None:
    with pytest.raises(UsageError, match=r"with_raw_response\.create"):
        trace_id_from(response)
