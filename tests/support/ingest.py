"""The HTTP ingest for tests: `forwarder serve` on a free port, as real processes on a rig's queue."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from tests.support.rig import Rig
from tests.support.waiting import eventually

if sys.version_info >= (3, 14):
    from compression.zstd import compress as zstd_compress
else:
    from backports.zstd import compress as zstd_compress

__all__ = ["JSON", "Ingest", "answer_on", "own_path", "request", "zstd_compress"]

STOP_WITHIN_S = 20
JSON = {"content-type": "application/json"}


class Ingest:
    """`forwarder serve` with a rig's variables.

    Args:
        rig: has the queue.
        arguments: of the command line.
    """

    def __init__(self, rig: Rig, *arguments: str) -> None:
        self._rig = rig
        said_before = len(rig.log.read_text()) if rig.log.exists() else 0
        self.process: subprocess.Popen[bytes] = rig.start(sys.executable, "-m", "forwarder.cli", "serve", *arguments)

        def address() -> str:
            found = re.search(r"listens at (\S+)", rig.log.read_text()[said_before:])
            return found[1] if found else ""

        self.url = eventually(address)
        assert self.url, rig.log.read_text()
        self.clients = ExitStack()
        self.http = self.new_client()
        assert self.http.get("/healthz").status_code == 200  # what it listens on, its children serve by now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clients.close()
        if self.process.poll() is None:
            self.stop()

    def new_client(self) -> httpx.Client:
        """One more client, closed with this."""
        base = self.url.removesuffix("/v1")
        return self.clients.enter_context(httpx.Client(base_url=base, trust_env=False, timeout=30))

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for a plain socket."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    def post(self, events: Any, **headers: str) -> httpx.Response:  # noqa: ANN401 - any JSON
        """One request; underscores of header names stand for hyphens."""
        return self.post_bytes(json.dumps(events).encode(), **JSON | _hyphened(headers))

    def post_bytes(self, body: bytes, **headers: str) -> httpx.Response:
        """One request with this body."""
        return self.http.post("/v1/feedback/", content=body, headers=_hyphened(headers))

    def children(self) -> list[int]:
        """The pids of the serving processes."""
        return self._rig.children(self.process.pid)

    def connect(self) -> socket.socket:
        """A plain connection."""
        return socket.create_connection(self.address, timeout=20)

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WITHIN_S)


def _hyphened(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def request(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """The bytes of a request that posts this body."""
    lines = [
        "POST /v1/feedback/ HTTP/1.1",
        "host: ingest",
        "content-type: application/json",
        f"content-length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer_on(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the answer on a plain connection; 0 when it was closed without."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65_536)
        if not piece:
            return 0, received
        received += piece
    header, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", header)[1])  # type: ignore[index] # each of ours has one
    while len(body) < length:
        body += connection.recv(65_536)
    return int(header.split()[1]), body


def own_path() -> Path:
    """Where the programs of the virtual environment are."""
    return Path(sys.executable).parent
