"""What the log of the workers, their supervisor and the producers tells (pure)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

BEGINS = "Traceback (most recent call last)"

EXPECTED: tuple[re.Pattern[str], ...] = ()
"""Last lines of tracebacks that are nobody's fault, each with the reason beside it; none so far."""

CHATTER = ('"level": "debug"', '"event": "retry"', '"event": "recut"')


def tracebacks(log: str) -> list[str]:
    """The last lines of all tracebacks that are not expected, each with how often it came."""
    counts = Counter(line for line in _last_lines(log) if not any(one.search(line) for one in EXPECTED))
    return [f"{line} ({times} times)" for line, times in counts.items()]


def deaths(log: str) -> list[int]:
    """The exit statuses of the workers that died under their supervisor; those below 0 are signals."""
    return [int(line["exit_code"]) for line in _structured(log) if line.get("event") == "child_died"]


def ending(log: str, lines: int) -> str:
    """The last lines of a log, without those that are written for every batch or entry."""
    told = [line for line in log.splitlines() if not any(mark in line for mark in CHATTER)]
    return "\n".join(told[-lines:])


def _last_lines(log: str) -> Iterator[str]:
    """Of the tracebacks in the fields of JSON lines, and of those that Python wrote by itself."""
    for told in _structured(log):
        yield from (text.rstrip().rpartition("\n")[2] for text in map(str, told.values()) if BEGINS in text)
    inside = False
    for line in log.splitlines():
        if inside and line and not line.startswith((" ", "\t")):
            inside = False
            yield line
        inside = inside or line.startswith(BEGINS)


def _structured(log: str) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects; one that a kill -9 tore is not."""
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            yield told
