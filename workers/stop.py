"""The one flag that says: finish or hand back what you hold, and end. Set by signals."""

import signal
import threading
from types import FrameType

STOP = threading.Event()
HURRY = threading.Event()


def request_stop(_signum: int, _frame: FrameType | None) -> None:
    """A signal handler: only sets the flag."""
    STOP.set()


def stop_on_signals() -> None:
    """In a work horse: its worker passes on SIGTERM as SIGUSR1, and a service manager may signal all processes."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(signum, request_stop)
