"""gunicorn with four workers that are recycled, and browsers that count what was answered 200."""

import http.client
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.programs import queued
from tests.support.rig import Rig
from tests.support.waiting import eventually

BROWSERS = 8


@contextmanager
def gunicorn(rig: Rig, *, recycle_after: int) -> Iterator[int]:
    """The web server, on the port that is given; at the end it is asked to stop, as a deployment does.

    Args:
        rig: where its events go.
        recycle_after: requests after which a worker is replaced.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = ["--preload", "--workers", "4", "--bind", f"127.0.0.1:{port}", "--max-requests", str(recycle_after)]
    options += ["--max-requests-jitter", str(recycle_after // 4), "--worker-tmp-dir", str(rig.folder)]
    server = rig.start(sys.executable, "-m", "gunicorn", *options, "tests.support.web_app:app")
    try:
        assert eventually(lambda: _listens(port)), rig.log.read_text()
        yield port
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, rig.log.read_text()[-3000:]
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def browse(port: int, requests: int, answered: list[str], halfway: threading.Event) -> None:
    """Send so many requests from several browsers; each trace id that is answered 200 is noted."""

    def browser(name: int) -> None:
        for number in range(requests // BROWSERS):
            trace_id = f"b{name}-{number}"
            if _get(port, trace_id):
                answered.append(trace_id)
            if len(answered) > requests / 2:
                halfway.set()

    browsers = [threading.Thread(target=browser, args=(name,)) for name in range(BROWSERS)]
    for thread in browsers:
        thread.start()
    for thread in browsers:
        thread.join()
    halfway.set()


def _get(port: int, trace_id: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", f"/{trace_id}")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False  # a worker that was just being replaced
    finally:
        connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def browse_through_an_outage(rig: Rig, requests: int, *, recycle_after: int) -> tuple[list[str], set[str]]:
    """The whole show: the queue is killed and started again halfway; what was answered 200, and what arrived."""
    answered: list[str] = []
    halfway = threading.Event()
    with gunicorn(rig, recycle_after=recycle_after) as port:
        visit = threading.Thread(target=browse, args=(port, requests, answered, halfway))
        visit.start()
        assert halfway.wait(120)
        rig.kill_server()
        threading.Event().wait(1.0)  # the outage
        rig.server.start()
        visit.join()
    with rig.client(mode="buffered"):  # the next process, for what the last worker could not append any more
        arrived = eventually(lambda: _arrived(rig, answered))
    return answered, arrived or set()


def _arrived(rig: Rig, answered: list[str]) -> set[str]:
    """What is on the queue, once all that was answered is; else nothing yet."""
    arrived = queued(rig)
    assert len(arrived) == len(set(arrived))
    return set(arrived) if set(answered) <= set(arrived) else set()
