"""What deploy/LOGS.md says of the log: its events and fields."""

import re
from dataclasses import dataclass

from tests.support.sandbox import ROOT

LOGS = ROOT / "deploy" / "LOGS.md"


@dataclass(frozen=True)
class Listed:
    """One event of the list."""

    level: str
    fields: frozenset[str]


def listed_events() -> dict[str, Listed]:
    """By name."""
    rows = re.findall(r"^\| `(\w+)` \| (debug|info|warning|error) \| (.*?) ?\|", LOGS.read_text(), re.MULTILINE)
    return {name: Listed(level, frozenset(re.findall(r"`(\w+)`", fields))) for name, level, fields in rows}


def listed_fields() -> list[str]:
    """In order."""
    fields, _ = LOGS.read_text().partition("## Fields")[2].split("## Events")
    return re.findall(r"^\| `(\w+)` \|", fields, re.MULTILINE)
