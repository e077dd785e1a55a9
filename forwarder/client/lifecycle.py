"""The end of a process: whatever way it takes, what a client still holds is appended or kept, within a bound.

- The interpreter's end: atexit.
- `os._exit`, with which RQ's work horses, multiprocessing's children and Celery's end: no atexit function runs, so it
  is wrapped. Where nothing is held, as in a child that was forked a moment ago, the wrapped one is the bare one.
- SIGTERM, where nobody handles it: its default would end the process on the spot. A handler that the program sets,
  before or after, takes precedence. One that comes while events are written to the disk, as a second one may, waits for
  that: it would interrupt a transaction, and then want the same file.

Nothing helps against kill -9: then at most what was sent in the last 100 ms is missing.
"""

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol


class Holder(Protocol):
    """Who may hold events at the end."""

    @property
    def has_pending(self) -> bool:
        """Whether it does, in this process."""

    def finish(self, timeout_s: float) -> object:
        """Bring them to safety, within about that time."""

    def end_threads(self) -> None:
        """Let its threads end: they must not be in the middle of something when the interpreter is taken down."""


_log = logging.getLogger("forwarder.client")
_holders: dict[int, tuple[Holder, float]] = {}
_exit_at_once = os._exit


class _Stretch:
    """What the main thread, in which signals are handled, is at.

    Attributes:
        unbroken: it must not be interrupted.
        signal: that came meanwhile; 0 for none.
    """

    unbroken = False
    signal = 0


def watch(holder: Holder, bound_s: float) -> None:
    """See to it when the process ends, until `forget`."""
    _holders[id(holder)] = holder, bound_s
    _arm()


def forget(holder: Holder) -> None:
    """It holds nothing more."""
    _holders.pop(id(holder), None)


def finish_all() -> None:
    """All of them, within the longest of their bounds; one that fails keeps no other from its end."""
    began = time.monotonic()
    for holder, bound_s in list(_holders.values()):
        try:
            if holder.has_pending:
                holder.finish(max(0.0, began + bound_s - time.monotonic()))
        except Exception:
            _log.exception("a client failed at the end of its process; events of it may be missing")


@contextmanager
def unbroken() -> Iterator[None]:
    """A stretch, and a short one: a SIGTERM that comes meanwhile ends the process behind it."""
    if _Stretch.unbroken or threading.current_thread() is not threading.main_thread():
        yield
        return
    _Stretch.unbroken = True
    try:
        yield
    finally:
        _Stretch.unbroken = False
        if _Stretch.signal:
            _terminated(_Stretch.signal, None)


def _arm() -> None:
    if os._exit is not _exit:
        atexit.register(_at_exit)
        os._exit = _exit
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _at_exit() -> None:
    finish_all()
    for holder, _ in list(_holders.values()):
        holder.end_threads()


def _exit(status: int) -> NoReturn:
    """`os._exit`, once what is held is safe."""
    try:
        finish_all()
    finally:
        _exit_at_once(status)


def _terminated(number: int, _: FrameType | None) -> None:
    """SIGTERM, handled by nobody else: its default follows."""
    if _Stretch.unbroken:
        _Stretch.signal = number
        return
    try:
        finish_all()
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
