"""A WSGI app that takes feedback: `/NAME` sends one event with this trace id, and is answered 200 when it was taken."""

from collections.abc import Callable, Iterable
from typing import Any

from forwarder import FeedbackClient

client = FeedbackClient(source="web")
"""Made before gunicorn forks (--preload): the workers use it, each in its own right."""


def app(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """The app."""
    client.send(trace_id=environ["PATH_INFO"].strip("/"), value=1)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
