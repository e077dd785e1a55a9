"""Where a run happens: a queue, the sink that counts, and the processes of the one that delivers."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from forwarder.paths import DataDir
from forwarder.queue.connection import Client, connect
from forwarder.settings import Settings
from tests.benchmarks.queue import queue, server_cpu, variables
from tests.benchmarks.running import ROOT, Command
from tests.benchmarks.upstream import Upstream, upstream

STOP_S: Final = 15.0
"""For a process that was told to end, before it is killed."""


@dataclass(frozen=True)
class Scene:
    """One run's surroundings, fresh.

    Attributes:
        settings: that lead to the queue.
        client: of it.
        upstream: the sink.
        folder: for files.
        variables: of the environment of every process.
    """

    settings: Settings
    client: Client
    upstream: Upstream
    folder: Path
    variables: Mapping[str, str]
    _processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, command: Command) -> "subprocess.Popen[bytes]":
        """A process that takes part; what it says is in `said`."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | self.variables, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def call(self, command: Command) -> None:
        """A process that only prepares something, to its end."""
        subprocess.run(command, cwd=ROOT, env=os.environ | self.variables, stdout=subprocess.DEVNULL, check=True)

    def stop(self) -> None:
        """Tell all processes to end, and wait until they have."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    @property
    def said(self) -> str:
        """The processes' words, for the case that nothing came of them."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def redis_cpu_s(self) -> float:
        """CPU seconds of the queue's server so far."""
        return server_cpu(self.client)

    @property
    def _log(self) -> Path:
        return self.folder / "said.log"


@contextmanager
def scene(more: dict[str, str] | None = None) -> Iterator[Scene]:
    """A queue and a sink of their own; processes that still run in the end are ended.

    Args:
        more: variables of the processes' environment.
    """
    with ExitStack() as stack:
        settings, sink = stack.enter_context(queue()), stack.enter_context(upstream())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fwd-")))
        ours = variables(settings) | {"FORWARDER_BASE_URL": sink.url, "FORWARDER_API_KEY": "bench"}
        others = {"SINK_URL": sink.url, "QUEUE_SOCKET": str(DataDir(settings.data_dir).socket)}
        client = connect(settings)
        stack.callback(client.close)
        given = ours | others | {"FORWARDER_LOG_LEVEL": "warning"} | (more or {})
        made = Scene(settings, client, sink, folder, given)
        stack.callback(made.stop)
        yield made
