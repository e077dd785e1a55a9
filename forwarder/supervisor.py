"""Child processes, kept running: started, watched, restarted with backoff when they die, stopped in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from forwarder.log import get_logger
from forwarder.signals import HURRY, TOGETHER_S, Asked

PYTHON: Final = (sys.executable, "-P", "-m")
"""How a module of ours is run: -P, or a folder `workers` where the user stands would be taken for ours."""


def worker_command(*arguments: str) -> list[str]:
    """How a worker is run that ends with this process."""
    return [*PYTHON, "workers", "--parent", str(os.getpid()), *arguments]


STOP_MARGIN_S: Final = 6.0
"""What a worker gets to stop, beyond the grace of what is in flight; it takes 4 s to kill a horse that hangs."""
LOOK_S: Final = 0.1
"""Between two looks at the children."""
RESTART_BASE_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
DOUBLINGS_MAX: Final = 16
"""Enough to reach the bound; after a night of deaths the next power would be too large for a float."""
HEALTHY_AFTER_S: Final = 60.0
"""A child that ran so long starts its backoff anew."""


@dataclass
class Child:
    """One process that is kept running.

    Attributes:
        name: for the log and the status line.
        command: its argument list.
        env: variables besides our own.
        restart: whether to start it again when it ends.
        announces: whether it says on its standard output when it is ready.
        shares: file descriptors of ours that it is handed, under the same numbers.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    restart: bool = True
    announces: bool = False
    shares: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = 0.0
    due_at: float = 0.0

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, in a session of its own: signals of the terminal are for the supervisor."""
        output = subprocess.PIPE if self.announces else None
        env = {**os.environ, **self.env}
        self.process = subprocess.Popen(
            self.command, env=env, stdout=output, start_new_session=True, pass_fds=self.shares
        )
        self.started_at = time.monotonic()

    def read_announcement(self) -> bytes:
        """The line by which it says that it is ready; empty when it ended without."""
        return self.process.stdout.readline() if self.process and self.process.stdout else b""


class Supervisor:
    """Keeps children running; call `watch` now and then."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self._log = get_logger()

    def start(self, child: Child) -> Child:
        """Start a child and keep it running."""
        child.start()
        self.children.append(child)
        return child

    def watch(self) -> None:
        """Start again what has died and whose backoff is over."""
        now = time.monotonic()
        for child in self.children:
            if child.running or not child.restart:
                continue
            if child.due_at == 0:
                self._schedule(child, now)
            elif now >= child.due_at:
                self._restart(child, now)

    def stop(self, grace_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """Ask all children to stop at once, wait, and kill what is left after the grace.

        Args:
            grace_s: seconds for all of it.
            hurried: whether somebody has lost patience: then the children are asked again.
        """
        deadline = time.monotonic() + grace_s
        running, asked_at = self._ask(), time.monotonic()
        while any(child.running for child in running) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            if hurried() and time.monotonic() > asked_at + TOGETHER_S:  # or they would take it for the same request
                self._ask()
                asked_at = time.monotonic()
        for child in running:
            self._kill(child, f"did not stop within {grace_s:g} s")

    def run(self, asked: Asked, grace_s: float) -> int:
        """Watch until somebody asks to stop or no child is left; then stop them. Answers the exit status.

        Args:
            asked: counts the signals.
            grace_s: seconds for the children to stop.
        """
        while not self.ended and not asked.count:
            self.watch()
            time.sleep(LOOK_S)
        self.stop(grace_s, hurried=lambda: asked.count == HURRY)
        return 0 if asked.count else self.exit_code()

    @property
    def ended(self) -> bool:
        """Whether no child runs and none will be started again."""
        return not any(child.running or child.restart for child in self.children)

    def exit_code(self) -> int:
        """0 when all children ended well."""
        codes = [child.process.returncode for child in self.children if child.process]
        return 0 if not any(codes) else 1

    def _ask(self) -> list[Child]:
        running = [child for child in self.children if child.running]
        for child in running:
            if child.process:
                child.process.send_signal(signal.SIGTERM)
        return running

    def _kill(self, child: Child, reason: str) -> None:
        if child.process and child.running:
            self._log.warning("killed", pid=child.process.pid, reason=reason)
            child.process.kill()
            child.process.wait()

    def _restart(self, child: Child, now: float) -> None:
        child.due_at = 0.0
        try:
            child.start()
        except OSError as error:  # no memory or no process left for now
            self._log.warning("child_not_started", child=child.name, error=str(error))
            self._schedule(child, now)

    def _schedule(self, child: Child, now: float) -> None:
        if now - child.started_at > HEALTHY_AFTER_S:
            child.deaths = 0
        wait_s = min(RESTART_MAX_S, RESTART_BASE_S * 2 ** min(child.deaths, DOUBLINGS_MAX))
        child.deaths += 1
        child.due_at = now + wait_s
        code = child.process.returncode if child.process else None
        self._log.warning("child_died", child=child.name, exit_code=code, next=f"restarted in {wait_s:g} s")
