"""The flags that say, in a work horse: finish or hand back what you hold, and end. Set by signals."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from forwarder.signals import Flag

STOP: Final = Flag()
HURRY: Final = Flag()
"""The grace is over: hand back at once."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""The worker says it by SIGUSR1, whoever signals all processes by one of the others."""
_seen: set[int] = set()
_worker = 0


def request_stop(signum: int, _frame: FrameType | None) -> None:
    """A signal handler. The same signal again means to hurry; worker and service manager have one each for a stop."""
    if signum in _seen:
        HURRY.set()
    _seen.add(signum)
    STOP.set()


def stop_on_signals() -> None:
    """In a work horse, from its very beginning: a signal that came before is taken now."""
    for signum in SIGNALS:
        signal.signal(signum, request_stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def worker_pid() -> int:
    """The worker that forked this horse. It may die at once, and os.getppid() would then name its heir."""
    return _worker or os.getppid()


@contextmanager
def signals_held() -> Iterator[None]:
    """Around a fork: signals wait until the horse has its handlers and the worker knows its horse."""
    global _worker  # noqa: PLW0603 - what a fork inherits
    _worker = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:  # in the worker alone: a horse ends inside
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _worker = 0
