"""What the log of the workers, their supervisor and the producers tells (pure)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

BEGINS = "Traceback (most recent call last)"

EXPECTED: tuple[re.Pattern[str], ...] = ()
"""Last lines of tracebacks that are nobody's fault, each with the reason beside it; none so far."""
NAMES = re.compile(r"\b[0-9a-f]{16,}\b|\bdrain-[\w-]+|/\S+/")
"""Of workers, jobs and folders: what is the same but for these is told once."""
CHATTER = ('"level": "debug"', '"event": "retry"', '"event": "recut"')


def tracebacks(log: str) -> list[str]:
    """All tracebacks that are not expected: what was said with them, their last lines, and how often they came."""
    lines = (NAMES.sub("…", line) for line in _tracebacks(log) if not any(one.search(line) for one in EXPECTED))
    return [f"{times} times {line}" for line, times in Counter(lines).most_common()]


def deaths(log: str) -> list[int]:
    """The exit statuses of the workers that died under their supervisor; those below 0 are signals."""
    return [int(line["exit_code"]) for line in _structured(log) if line.get("event") == "child_died"]


def ending(log: str, lines: int) -> str:
    """The last lines of a log, without those that are written for every batch or entry."""
    told = [line for line in log.splitlines() if not any(mark in line for mark in CHATTER)]
    return "\n".join(told[-lines:])


def _tracebacks(log: str) -> Iterator[str]:
    """Those in the fields of JSON lines, with the event, and those that Python wrote by itself."""
    for told in _structured(log):
        found = [text.rstrip().rpartition("\n")[2] for text in map(str, told.values()) if BEGINS in text]
        if found and told.get("level") != "debug":  # there RQ repeats what it has told
            event = str(told.get("event")).partition("\n")[0]  # RQ writes tracebacks there, too
            yield f"{event}: {found[0]}"
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
