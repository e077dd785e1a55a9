"""The whole system for a test: a real Valkey with an append-only file, a sandbox, RQ workers; all can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
from forwarder.queue.partitions import found
from forwarder.queue.scripts import run
from forwarder.settings import Settings, load_settings
from tests.support.sandbox import ROOT, Sandbox
from tests.support.waiting import eventually
from workers.rq_classes import FeedbackQueue
from workers.sweep import Sweep

QUICK = {
    "FORWARDER_RETRY_BASE_MS": "20",
    "FORWARDER_RETRY_MAX_MS": "200",
    "FORWARDER_LEASE_TTL_S": "2",
    "FORWARDER_DRAIN_IDLE_S": "1",
    "FORWARDER_PAUSE_MIN_S": "0.2",
    "FORWARDER_PAUSE_MAX_S": "1",
    "FORWARDER_SHUTDOWN_GRACE_S": "3",
    "FORWARDER_INGEST_PORT": "0",
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
        key = {} if "FORWARDER_API_KEY_FILE" in variables else {"FORWARDER_API_KEY": "sandbox"}
        self.variables = QUICK | {"FORWARDER_BASE_URL": self.sandbox.url} | key | variables
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

    def connect(self) -> None:
        """Connect anew, after the variables have changed."""
        self.redis.close()
        self.redis = connect(self.settings)

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
        return foreign | self.variables | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def client(self, **options: Any) -> FeedbackClient:  # noqa: ANN401 - the client's own
        """A producer, whose events are in Redis when its calls return."""
        return FeedbackClient(settings=self.settings, **{"mode": "direct", **options})

    @property
    def url(self) -> str:
        """The queue's, for RQ's own commands."""
        return f"unix://{DataDir(self.settings.data_dir).socket}"

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One more RQ worker, in a process group of its own."""
        worker = self.start(sys.executable, "-m", "workers", *arguments)
        self.workers.append(worker)
        return worker

    def start_supervisor(self, *arguments: str) -> subprocess.Popen[bytes]:
        """`forwarder worker`; its children are workers."""
        supervisor = self.start(sys.executable, "-m", "forwarder.cli", "worker", *arguments)
        self.workers.append(supervisor)
        return supervisor

    def start_rq_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The same by RQ's own command."""
        rq = str(Path(sys.executable).with_name("rq"))
        ours = ("-w", "workers.worker.FeedbackWorker", "--url", self.url, "feedback")
        worker = self.start(rq, "worker", *arguments, *ours)
        self.workers.append(worker)
        return worker

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A process with our variables, whose output goes to the log; who starts it ends it."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def sweep(self) -> Sweep:
        """As workers sweep."""
        return Sweep(self.settings, self.redis, FeedbackQueue(connection=self.redis))

    def kill_server(self) -> None:
        """Kill -9 of the queue's server, once its append-only file has what it has answered.

        It syncs that file every second, and while a sync lasts it answers without having written: on a slow disk as
        much as two seconds of answers would be lost.
        """
        assert self.server.pid
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.set("mark", "")
            pipeline.delete("mark")
            pipeline.waitaof(1, 0, 5_000)
            pipeline.execute(raise_on_error=False)  # a full one takes nothing
        self.kill(self.server.pid)
        assert eventually(lambda: self.server.pid is None)

    @contextmanager
    def frozen_server(self) -> Iterator[None]:
        """The queue's server takes connections but answers nothing meanwhile."""
        pid = self.server.pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def horses(self) -> list[int]:
        """The pids of the work horses."""
        return [pid for worker in self.workers for pid in self.children(worker.pid)]

    def children(self, pid: int) -> list[int]:
        """The child processes of a process; none when it has died."""
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    def kill(self, pid: int) -> None:
        """End a process that this rig started, at once."""
        os.kill(pid, signal.SIGKILL)

    def books(self, destination: str = "default") -> Snapshot:
        """The ledger, of all partitions."""
        return ledger.total([run(self.redis, ledger.snapshot(keys)) for keys in self.partitions(destination)])

    def partitions(self, destination: str = "default") -> list[Keys]:
        """Those of a destination."""
        return found(self.redis, self.settings, destination)

    def dead(self) -> list[DeadLetter]:
        """All dead letters, of all partitions."""
        return [letter for keys in self.partitions() for letter in dead_letters.scan(self.redis, keys)]

    def settled(self, within_s: float = 30.0) -> Snapshot:
        """The books once nothing waits any more."""
        assert eventually(lambda: self.books().entries == 0, within_s), self.log.read_text()[-4000:]
        return self.books()

    def in_mid_delivery(self) -> int:
        """Wait until requests meet a fault, so that they are under way; answers the one horse."""
        assert eventually(lambda: any(fault["applied"] for fault in self.sandbox.faults())), self.log.read_text()
        (horse,) = self.horses()
        return horse

    def assert_everything_arrived(self, count: int) -> None:
        """Without faults any more so many different events arrive, and no more twice than the ledger says."""
        self.sandbox.clear_faults()
        books = self.settled(60)
        assert books["delivered"] == count
        counts = self.sandbox.counts()
        assert counts["distinct_trace_ids"] == count
        assert counts["duplicates"] <= books["ambiguous"]
        self.assert_books_close()

    def assert_books_close(self) -> None:
        """All lines close, counting the waiting events too."""
        for keys in self.partitions():
            report = deep_audit(self.redis, keys)
            assert report.closes, report
            assert all(line.closes for line in report.books.lines), [str(line) for line in report.books.lines]

    def logged(self, event: str) -> bool:
        """Whether a worker has logged this event."""
        return self.log.exists() and f'"event": "{event}"' in self.log.read_text()

    def said(self, text: str) -> int:
        """How often a worker's output has this text."""
        return self.log.read_text().count(text) if self.log.exists() else 0

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        family = [child for own in self.children(worker.pid) for child in (own, *self.children(own))]
        worker.kill()
        worker.wait()
        for pid in family:
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
