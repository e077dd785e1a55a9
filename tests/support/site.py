"""`forwarder up` with users, as operators meet it in a browser; and the sandbox behind it, told what to refuse."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from forwarder.client import FeedbackClient
from forwarder.operations.operator import Operator
from forwarder.operations.status import Status, status_of
from forwarder.queue.connection import connect
from forwarder.settings import load_settings
from tests.support.console import PASSWORD, USERS
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually

STOP_WITHIN_S = 20
QUICK = {
    "FORWARDER_SANDBOX_PORT": "0",
    "FORWARDER_INGEST_PORT": "0",
    "FORWARDER_RETRY_BASE_MS": "20",
    "FORWARDER_RETRY_MAX_MS": "200",
    "FORWARDER_PAUSE_MIN_S": "0.5",
    "FORWARDER_PAUSE_MAX_S": "1",
    "FORWARDER_DRAIN_IDLE_S": "1",
    "FORWARDER_LEASE_TTL_S": "2",
    "FORWARDER_SHUTDOWN_GRACE_S": "3",
}


class Site:
    """One `forwarder up`.

    Args:
        folder: a short path, because of the socket.
        destinations: besides `default`; all lead to the sandbox.
        variables: FORWARDER_* that differ from QUICK.
    """

    def __init__(self, folder: Path, destinations: Iterable[str] = (), **variables: str) -> None:
        self.folder = folder
        plain = {name: value for name, value in os.environ.items() if not name.startswith("FORWARDER_")}
        named = {f"FORWARDER_DESTINATIONS__{name.upper()}__CONCURRENCY_MAX": "16" for name in destinations}
        own = QUICK | USERS | named | {"FORWARDER_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)} | variables
        self.environment = plain | own | {"PYTHONUNBUFFERED": "1"}
        self.log = folder / "up.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "forwarder.cli", "up"]
            self.process = subprocess.Popen(command, env=self.environment, cwd=folder, stdout=log, stderr=log)
        assert eventually(lambda: "Ctrl-C stops everything" in self.log.read_text(), 60), self.log.read_text()
        self.console = self._said(r"(http://\S+/console)/")
        self.sandbox = self._said(r"sandbox at (\S+)/v1")
        assert eventually(lambda: self._answers, 60), self.log.read_text()
        settings = load_settings(data_dir=folder, destinations={name: {} for name in destinations})
        self.operator = Operator(settings, connect(settings), "test")
        self.producer = FeedbackClient(settings=settings, mode="direct", source="web")

    def stop(self) -> None:
        """Ask it to stop."""
        self.producer.close()
        self.operator.client.close()
        self.process.terminate()
        self.process.wait(STOP_WITHIN_S)

    def refuse(self, *faults: dict[str, Any]) -> None:
        """Put these faults in force, in place of all others."""
        httpx.put(f"{self.sandbox}/sandbox/faults", json=list(faults), trust_env=False).raise_for_status()

    def counts(self) -> dict[str, int]:
        """What arrived in the sandbox."""
        return dict(httpx.get(f"{self.sandbox}/sandbox/counts", trust_env=False, timeout=30).json())

    def arrived(self, prefix: str) -> dict[str, int]:
        """How often each trace id that begins so arrived."""
        url = f"{self.sandbox}/sandbox/times-arrived?prefix={quote(prefix)}"
        return dict(httpx.get(url, trust_env=False, timeout=30).json())

    def send(self, events: list[dict[str, Any]], destination: str = "default") -> None:
        """Hand events over; they are queued when this returns."""
        self.producer.send_many(events, destination=destination)

    def bury(self, destination: str, count: int, prefix: str, value: int = -9) -> None:
        """Send so many events, which the sandbox refuses, and wait until they are dead letters."""
        before = self.status(destination).dead
        self.send([{"trace_id": f"{prefix}-{number}", "value": value} for number in range(count)], destination)
        assert eventually(lambda: self.status(destination).dead == before + count, 60), self.status(destination)

    def status(self, destination: str = "default") -> Status:
        """Of a destination."""
        return status_of(self.operator, destination)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """One command."""
        command = [sys.executable, "-m", "forwarder.cli", *words]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )

    def _said(self, pattern: str) -> str:
        found = re.search(pattern, self.log.read_text())
        assert found, self.log.read_text()
        return found[1]

    @property
    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.console}/login", trust_env=False, timeout=10).status_code == 200
        except httpx.TransportError:
            return False


__all__ = ["PASSWORD", "Site"]
