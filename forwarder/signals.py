"""What a signal handler may touch.

A handler runs between any two steps, also of another handler. threading.Event takes a lock to be set, so a handler that
interrupts another one, or a wait, may wait for itself for ever. These take none.
"""

import signal
import time
from typing import Final, Self

TOGETHER_S: Final = 1.0
"""Signals within this time are one request: terminal, supervisor and service manager each send their own."""
HURRY: Final = 2
"""What `Asked.count` is when there is no more time to be graceful."""


class Flag:
    """Down until somebody sets it."""

    def __init__(self) -> None:
        self._up = False

    def set(self) -> None:
        """Raise it."""
        self._up = True

    def clear(self) -> None:
        """Take it down."""
        self._up = False

    def is_set(self) -> bool:
        """Whether it is up."""
        return self._up


class Asked:
    """How often a process was asked to stop.

    Attributes:
        count: 0, 1 to stop, HURRY when asked again later.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first_at = 0.0

    def listen(self) -> Self:
        """Count SIGINT and SIGTERM from now on."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: self.again())
        return self

    def again(self) -> None:
        """A signal came."""
        if not self.count:
            self.count, self._first_at = 1, time.monotonic()
        elif time.monotonic() - self._first_at > TOGETHER_S:
            self.count = HURRY
