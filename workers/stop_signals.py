"""SIGTERM and SIGINT as a worker takes them: the first asks it to stop, a further one to hurry."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from rq.exceptions import StopRequested

from forwarder.signals import Asked

BREAK_OFF_S: Final = 1.25
"""How long an idle worker may take to notice: longer than a turn, which may have a job in hand."""


class StopSignals:
    """Counts the signals, and breaks off what keeps the worker from looking.

    A handler may run between any two steps. So it only counts; it raises StopRequested where that was declared harmless
    (`breakable`), and after BREAK_OFF_S wherever the worker is, unless it watches a horse (`watching`).

    Attributes:
        watching: a horse runs: nothing but `breakable` may be broken off.
        broken_off: the worker did not notice in time, as when Redis does not answer.
    """

    def __init__(self) -> None:
        self.watching = False
        self.broken_off = False
        self._asked = Asked()
        self._breakable = False
        self._over = False

    @property
    def asked(self) -> int:
        """0, 1 to stop, 2 to hurry."""
        return self._asked.count

    def install(self, handler: Callable[[int, FrameType | None], None]) -> None:
        """Take the signals from now on; `handler` is to call `arrived`."""
        self._over = False
        signal.signal(signal.SIGINT, handler)
        signal.signal(signal.SIGTERM, handler)

    def arrived(self) -> None:
        """A signal came.

        Raises:
            StopRequested: the worker is where that is harmless.
        """
        self._asked.again()
        if self._breakable:
            raise StopRequested
        if not self.watching:
            self.break_off_soon()

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """A stretch that a signal may break off at any point: it waits, or what it does may as well not be done.

        Raises:
            StopRequested: it was broken off, or not even begun.
        """
        self._breakable = True
        try:
            if self.asked:
                raise StopRequested
            yield
        finally:
            self._breakable = False

    @contextmanager
    def bounded(self, asked: Callable[[], int]) -> Iterator[None]:
        """A stretch that is broken off when it takes BREAK_OFF_S and more, and somebody has asked.

        Args:
            asked: whether somebody has, by a signal or otherwise.

        Raises:
            StopRequested: it was broken off.
        """

        def look(_signum: int, _frame: FrameType | None) -> None:
            if asked():
                self.broken_off = True
                raise StopRequested

        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, BREAK_OFF_S, BREAK_OFF_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def break_off_soon(self) -> None:
        """Give what runs now a moment to end by itself."""
        if not self._over:
            signal.signal(signal.SIGALRM, self._break_off)  # each time: RQ's timeouts reset it
            signal.setitimer(signal.ITIMER_REAL, BREAK_OFF_S)

    def end(self) -> None:
        """The worker has stopped: nothing is broken off any more."""
        self._over = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _break_off(self, _signum: int, _frame: FrameType | None) -> None:
        if not self.watching and not self._over:
            self.broken_off = True
            raise StopRequested
