"""Counting dead letters by what they died of (pure)."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from forwarder.queue.dead_letters import DeadLetter
from forwarder.selection import NO_STATUS
from forwarder.times import shown_moment

_KINDS_MAX = 10_000
_VARYING = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE), "ID"),
    (re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`"), "…"),
    (re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
)


@dataclass(slots=True)
class LetterStats:
    """Counts of letters.

    Attributes:
        total: all.
        reasons: by reason.
        statuses: by the last answer's status.
        errors: by error text, with what varies from letter to letter taken out.
        first_ms: when the oldest died; 0 while there is none.
        last_ms: when the newest died.
    """

    total: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    first_ms: int = 0
    last_ms: int = 0

    def add(self, letter: DeadLetter) -> None:
        """Count one letter; letters come oldest first."""
        self.total += 1
        self.reasons[letter.reason] += 1
        self.statuses[NO_STATUS if letter.status is None else str(letter.status)] += 1
        kind = normalised(letter.error)
        if kind not in self.errors and len(self.errors) >= _KINDS_MAX:
            kind = "(others)"  # an upstream that never says the same twice must not fill our memory
        self.errors[kind] += 1
        self.first_ms = self.first_ms or letter.died_ms
        self.last_ms = letter.died_ms

    def as_json(self) -> dict[str, Any]:
        """For programs; the commonest first."""
        return {
            "total": self.total,
            "reasons": dict(self.reasons.most_common()),
            "statuses": dict(self.statuses.most_common()),
            "errors": [{"error": error, "count": count} for error, count in self.errors.most_common()],
            "first": shown_moment(self.first_ms) if self.total else None,
            "last": shown_moment(self.last_ms) if self.total else None,
        }


def normalised(error: str) -> str:
    """An error text without what varies: quoted values, ids and numbers."""
    for varying, sign in _VARYING:
        error = varying.sub(sign, error)
    return " ".join(error.split())
