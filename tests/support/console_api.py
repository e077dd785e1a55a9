"""Answers of the JSON API, and what its tests share."""

from typing import Any

import httpx

from tests.support.rig import Rig


def bearer(token: str) -> dict[str, str]:
    """The headers of whoever has this token."""
    return {"authorization": f"Bearer {token}"}


def end_worker(rig: Rig) -> None:
    """Kill -9, and wait for its end."""
    worker = rig.workers.pop()
    horses = rig.children(worker.pid)
    for pid in (worker.pid, *horses):
        rig.kill(pid)
    worker.wait()


def got(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401 - any JSON
    """The body of an answer with this status."""
    assert answer.status_code == status, answer.text
    return answer.json()


def said(answer: httpx.Response, status: int) -> str:
    """The message of an error, which has the API's shape."""
    error = got(answer, status)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert answer.headers["x-request-id"]
    return str(error["message"])
