"""Requests to the sandbox as a user of its API makes them, and what they are answered."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.sandbox import Sandbox

PATIENCE_S = 20
"""How long an answer may take before a test gives up."""
GOOD = {"trace_id": "t", "value": 1}


def api_of(sandbox: Sandbox) -> httpx.Client:
    """A client of the API with the accepted key."""
    headers = {"x-portkey-api-key": "sandbox"}
    return httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False, timeout=PATIENCE_S)


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again; every condition here is a round trip to another process."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which has the API's shape."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return dict(error)


def raw_request(sandbox: Sandbox, body: bytes = json.dumps(GOOD).encode()) -> socket.socket:
    """A request whose connection is in our hands."""
    connection = socket.create_connection(sandbox.address, timeout=PATIENCE_S)
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nx-portkey-api-key: sandbox\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection
