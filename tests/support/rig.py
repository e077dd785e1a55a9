"""The whole system for a test: a real Valkey with an append-only file, a sandbox, RQ workers; all can be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import redis
from typing_extensions import override

from forwarder.client import FeedbackClient
from forwarder.embedded import EmbeddedServer
from forwarder.paths import DataDir
from forwarder.queue import dead_letters, ledger
from forwarder.queue.audit import deep_audit
from forwarder.queue.connection import connect
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Snapshot
from forwarder.queue.scripts import run
from forwarder.settings import Settings, load_settings
from tests.support.sandbox import ROOT, Sandbox
from tests.support.waiting import eventually

QUICK = {
    "FORWARDER_RETRY_BASE_MS": "20",
    "FORWARDER_RETRY_MAX_MS": "200",
    "FORWARDER_LEASE_TTL_S": "2",
    "FORWARDER_DRAIN_IDLE_S": "1",
    "FORWARDER_PAUSE_S": "1",
    "FORWARDER_SHUTDOWN_GRACE_S": "3",
    "FORWARDER_LOG_LEVEL": "debug",
    "FORWARDER_LOG_FORMAT": "json",
}
"""Settings under which what takes seconds in production takes fractions here."""


class Rig:
    """Starts the queue and the sandbox; workers when told.

    Args:
        folder: a short path, because of the socket.
        variables: FORWARDER_* that differ from QUICK.
    """

    server_class: ClassVar[type[EmbeddedServer]] = EmbeddedServer

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.sandbox = Sandbox(folder)
        self.variables = QUICK | {"FORWARDER_BASE_URL": self.sandbox.url, "FORWARDER_API_KEY": "sandbox"} | variables
        self.variables["FORWARDER_DATA_DIR"] = str(folder / "data")
        self.server = self.server_class(DataDir(folder / "data"))
        self.server.start()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.log = folder / "workers.log"
        self.keys = Keys()
        self.redis: redis.Redis = connect(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self.workers:
            self._end(worker)
        self.redis.close()
        self.server.stop()
        self.sandbox.stop()

    @property
    def settings(self) -> Settings:
        """As the workers read them."""
        plain = {name.removeprefix("FORWARDER_").lower(): value for name, value in self.variables.items()}
        destinations: dict[str, dict[str, str]] = {}
        for name in [name for name in plain if name.startswith("destinations__")]:
            _, destination, field = name.split("__")
            destinations.setdefault(destination, {})[field] = plain.pop(name)
        return load_settings(**plain, destinations=destinations)

    @property
    def environment(self) -> dict[str, str]:
        """Of every process of ours: it has this rig's FORWARDER_* variables and no others."""
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("FORWARDER_")}
        return foreign | self.variables | {"PYTHONPATH": str(ROOT)}

    def client(self, **options: Any) -> FeedbackClient:  # noqa: ANN401 - the client's own
        """A producer."""
        return FeedbackClient(settings=self.settings, **options)

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One more RQ worker, in a process group of its own."""
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "workers", *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def horses(self) -> list[int]:
        """The pids of the work horses."""
        pids = []
        for worker in self.workers:
            children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
            pids += [int(pid) for pid in children.read_text().split()] if children.exists() else []
        return pids

    def kill(self, pid: int) -> None:
        """End a process that this rig started, at once."""
        os.kill(pid, signal.SIGKILL)

    def books(self, destination: str = "default") -> Snapshot:
        """The ledger."""
        return run(self.redis, ledger.snapshot(Keys(destination)))

    def dead(self) -> list[DeadLetter]:
        """All dead letters."""
        return list(dead_letters.scan(self.redis, self.keys))

    def settled(self, within_s: float = 30.0) -> Snapshot:
        """The books once nothing waits any more."""
        assert eventually(lambda: self.books().entries == 0, within_s), self.log.read_text()[-4000:]
        return self.books()

    def assert_books_close(self) -> None:
        """All lines close, counting the waiting events too."""
        report = deep_audit(self.redis, self.keys)
        assert report.closes, report
        assert all(line.closes for line in report.books.lines), [str(line) for line in report.books.lines]

    def logged(self, event: str) -> bool:
        """Whether a worker has logged this event."""
        return self.log.exists() and f'"event": "{event}"' in self.log.read_text()

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        horses = self.horses()
        worker.kill()
        worker.wait()
        for pid in horses:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class DurableServer(EmbeddedServer):
    """An embedded server that answers a command only when the disk has it: what it acknowledged is there, always."""

    @override
    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--appendfsync", "always"]


class DurableRig(Rig):
    """A rig whose queue can be killed at any moment and still has what it acknowledged."""

    server_class = DurableServer
