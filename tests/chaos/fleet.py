"""The workers of a run: `forwarder worker -n N`, kept running as a service manager would."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from forwarder.orphan import stop_with_parent
from tests.chaos.processes import Process, find
from tests.support.rig import Rig

START_AGAIN_AFTER_S = 0.5
STOP_WITHIN_S = 30.0
"""More than the supervisor gives its workers before it kills them."""


@dataclass(frozen=True, slots=True)
class Team:
    """A worker and its horse, which drains at this moment."""

    worker: Process
    horse: Process


class Fleet:
    """One supervisor at a time; those that were killed or replaced may take a while to end.

    Args:
        rig: whose queue is drained.
        size: worker processes.
    """

    def __init__(self, rig: Rig, size: int) -> None:
        self._rig = rig
        self._size = size
        self._started: list[subprocess.Popen[bytes]] = []
        self._due_at: float | None = None
        self._worked = self._dismissed = False

    def start(self) -> None:
        """Start a supervisor; it starts the workers."""
        command = [sys.executable, "-P", "-m", "forwarder.cli", "worker", "-n", str(self._size)]
        with self._rig.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=self._rig.environment,
                cwd=self._rig.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=stop_with_parent,  # noqa: PLW1509 - two system calls, and this process has no threads
            )
        self._started.append(process)
        self._due_at, self._worked, self._dismissed = None, False, False

    @property
    def supervisor(self) -> Process | None:
        """The newest, while it runs."""
        return find(self._started[-1].pid) if self._started and self._started[-1].poll() is None else None

    @property
    def workers(self) -> list[Process]:
        """The processes that the newest supervisor keeps."""
        supervisor = self.supervisor  # asked once: it may end at any moment
        return supervisor.children if supervisor else []

    @property
    def teams(self) -> list[Team]:
        """The workers that have a horse."""
        return [Team(worker, horse) for worker in self.workers for horse in worker.children]

    def keep_running(self) -> str | None:
        """Start a supervisor again that has ended by itself; answers what was wrong with that, if anything.

        While the queue is away a supervisor may refuse to start, with one clear line; once it has workers it must live.
        """
        for process in self._started:
            process.poll()  # or they stay as zombies
        if self.supervisor:
            self._worked = self._worked or bool(self.workers)
        elif self._dismissed:
            return None
        elif self._due_at is None:
            self._due_at = time.monotonic() + START_AGAIN_AFTER_S
            return f"the supervisor ended by itself, exit {self._started[-1].returncode}" if self._worked else None
        elif time.monotonic() >= self._due_at:
            self.start()
        return None

    def dismiss(self, signum: signal.Signals) -> None:
        """Signal the supervisor to end; nobody starts another one before `start`."""
        self._dismissed = True
        if supervisor := self.supervisor:
            supervisor.send(signum)

    def stop(self) -> int:
        """Ask the supervisor to stop (SIGTERM); its exit status."""
        self.dismiss(signal.SIGTERM)
        return self._started[-1].wait(STOP_WITHIN_S)
