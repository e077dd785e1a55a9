"""Wait for something that another process will bring about."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(look: Callable[[], Value], within_s: float = 20.0) -> Value:
    """The first true value of `look`, or the last one when the time is over: assert on it."""
    deadline = time.monotonic() + within_s
    while not (value := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value
