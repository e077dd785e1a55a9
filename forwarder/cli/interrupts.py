"""Ctrl-C, held back while a step and its counting belong together, so that what is said at the end is exact."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class Interrupts:
    """While it is entered, SIGINT raises KeyboardInterrupt as ever, except within `held`, where it waits for the end.

    A second one is not held back: a step may hang on a server that does not answer.
    """

    def __init__(self) -> None:
        self._holding = False
        self._waiting = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A stretch that is not to be interrupted."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._waiting:
            raise KeyboardInterrupt

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        if not self._holding or self._waiting:
            raise KeyboardInterrupt
        self._waiting = True
