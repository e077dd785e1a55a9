"""A work horse as its worker sees it: told to end, told to hurry, killed when it does neither, and always reaped."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from resource import struct_rusage
from typing import Final

from forwarder.log import get_logger

MARGIN_S: Final = 2.0
"""What a horse gets to end, beyond the grace of what is in flight."""
HURRY_S: Final = 2.0
"""What it gets when it was told to hurry. With MARGIN_S less than what a supervisor grants the worker."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a horse ended.

    Attributes:
        pid: its process.
        status: as wait(2) has it; 0 when it ended well.
        usage: what it used.
    """

    pid: int
    status: int
    usage: struct_rusage

    @property
    def exit_code(self) -> int:
        """Its exit code, or the negative number of the signal that killed it."""
        return os.waitstatus_to_exitcode(self.status)


class Horse:
    """A child process that drains.

    Args:
        pid: the process; it leads a process group.
        grace_s: for what it has in flight when it is told to end.
        longest_s: after which it is told to end anyway.
    """

    def __init__(self, pid: int, *, grace_s: float, longest_s: float) -> None:
        self.pid = pid
        self._grace_s = grace_s
        self._told = 0
        self._due = time.monotonic() + longest_s
        self._log = get_logger(horse=pid)

    def ended(self) -> Ended | None:
        """How it ended; None while it runs. To be asked until it has: then it is reaped."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        return Ended(pid, status, usage) if pid else None

    def press(self, asked: int) -> None:
        """Tell it what the worker was asked, once each; go a step further when it does not end in time.

        Args:
            asked: 0 to work on, 1 to end, 2 to hurry.
        """
        if asked > self._told or time.monotonic() > self._due:
            self._told += 1
            self._press()

    def _press(self) -> None:
        if self._told == 1:
            self._signal(signal.SIGUSR1, self._grace_s + MARGIN_S)
        elif self._told == 2:  # noqa: PLR2004 - the second time
            self._log.info("horse_hurried", next=f"killed unless it ends within {HURRY_S:g} s")
            self._signal(signal.SIGUSR1, HURRY_S)
        else:
            self._log.warning("horse_killed", reason="it did not end when told", next="the next drain takes over")
            self._signal(signal.SIGKILL, HURRY_S)

    def _signal(self, signum: signal.Signals, then_s: float) -> None:
        self._due = time.monotonic() + then_s
        with contextlib.suppress(ProcessLookupError):  # it ended this very moment, and is reaped next
            os.kill(self.pid, signum)
