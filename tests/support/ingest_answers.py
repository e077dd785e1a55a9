"""What the ingest answers, and what it puts on the queue."""

from typing import Any

import httpx

from forwarder.queue.keys import Keys
from tests.support.rig import Rig


def entries(rig: Rig, destination: str) -> list[dict[bytes, bytes]]:
    """The fields of what waits."""
    reply: Any = rig.redis.xrange(Keys(destination).events)
    return [fields for _, fields in reply]


def assert_refused(answer: httpx.Response, status: int, *words: str, param: str | None = None) -> None:
    """It has this status, the API's error shape, a request id, and says these words."""
    assert answer.status_code == status, answer.text
    (error,) = answer.json().values()
    assert set(error) == {"message", "type", "code", "param"}
    assert all(word in error["message"] for word in words), error["message"]
    assert error["param"] == param
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
