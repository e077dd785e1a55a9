"""What the doctor finds: one sentence that says what is so, and one that says what mends it (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How bad it is; also the exit status of `forwarder doctor`."""

    OK = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name: what was looked at, and of which destination.
        level: how bad it is.
        what: what is so.
        mend: what to do; empty when nothing is to be done.
    """

    check: str
    level: Level
    what: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"check": self.check, "level": self.level.name.lower(), "what": self.what, "mend": self.mend}


def ok(check: str, what: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, mend: str) -> Finding:
    """It works, and may not tomorrow."""
    return Finding(check, Level.WARNING, what, mend)


def fault(check: str, what: str, mend: str) -> Finding:
    """Something does not work, or can lose events."""
    return Finding(check, Level.FAULT, what, mend)


def worst(findings: Sequence[Finding]) -> Level:
    """The level of all together."""
    return max((finding.level for finding in findings), default=Level.OK)
