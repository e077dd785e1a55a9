"""Processes as /proc shows them: who is there, whose child it is, whether it still is the same one."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs, or ran; its start time tells it from a later one of the same number."""

    pid: int
    started: int

    def __str__(self) -> str:
        return str(self.pid)

    @property
    def alive(self) -> bool:
        """Whether it still runs; what has ended and was not yet waited for does not."""
        return find(self.pid) == self

    @property
    def children(self) -> list["Process"]:
        """Its children that run."""
        pids: list[str] = []
        for task in PROC.glob(f"{self.pid}/task/*/children"):
            pids += _read(task).split()
        return [child for child in map(find, map(int, pids)) if child]

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.alive:
            os.kill(self.pid, signum)


def find(pid: int) -> Process | None:
    """The process of this number, if it runs."""
    _, _, rest = _read(PROC / str(pid) / "stat").rpartition(") ")  # a name may hold spaces and brackets
    fields = rest.split()
    if not fields or fields[0] in "ZX":
        return None
    return Process(pid, int(fields[19]))


def marked(name: str, value: str) -> Iterator[Process]:
    """All other processes that were started with this environment variable."""
    mark = f"{name}={value}"
    for folder in PROC.glob("[0-9]*"):
        process = find(int(folder.name))
        if process and process.pid != os.getpid() and mark in _read(folder / "environ").split("\0"):
            yield process


def command(process: Process) -> str:
    """Its command line."""
    return _read(PROC / str(process.pid) / "cmdline").replace("\0", " ").strip()


def _read(path: Path) -> str:
    """What a file of /proc says; nothing when the process has ended."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
