"""Dead letters that died of the same thing, counted together (pure)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from forwarder.dead.likeness import normalised
from forwarder.dead.selection import NO_STATUS
from forwarder.queue.dead_letters import DeadLetter
from forwarder.times import shown_moment

GROUPS_MAX: Final = 10_000
SOURCES_MAX: Final = 100
OTHERS: Final = "(others)"
"""An upstream that never says the same twice, or a service with a new name each time, must not fill our memory."""


@dataclass(slots=True)
class Group:
    """Letters with the same status and the same message but for what varies.

    Attributes:
        status: of the last answer; None when there was none.
        message: the error without quoted values, ids and numbers.
        count: how many.
        first_ms: when the first of them died (ms since 1970).
        last_ms: when the last did.
        example: the id of the first.
        error: its error, in full.
        reasons: how many died of which reason.
        sources: how many came from which service.
    """

    status: int | None
    message: str
    first_ms: int
    example: str
    error: str
    count: int = 0
    last_ms: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, letter: DeadLetter) -> None:
        """Count one more; letters come oldest first."""
        self.count += 1
        self.last_ms = letter.died_ms
        self.reasons[letter.reason] += 1
        source = letter.source.decode("utf-8", "replace")
        self.sources[source if source in self.sources or len(self.sources) < SOURCES_MAX else OTHERS] += 1

    def as_json(self) -> dict[str, Any]:
        """For programs; the commonest first."""
        return {
            "status": self.status,
            "message": self.message,
            "count": self.count,
            "first": shown_moment(self.first_ms),
            "last": shown_moment(self.last_ms),
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "reasons": dict(self.reasons.most_common()),
            "sources": dict(self.sources.most_common()),
            "example": {"id": self.example, "error": self.error},
        }


class Groups:
    """Collects letters into groups.

    Attributes:
        total: letters so far.
    """

    def __init__(self) -> None:
        self.total = 0
        self._groups: dict[tuple[int | None, str], Group] = {}

    def add(self, letter: DeadLetter) -> None:
        """Count one letter; letters come oldest first."""
        self.total += 1
        key = letter.status, normalised(letter.error)
        if key not in self._groups and len(self._groups) >= GROUPS_MAX:
            key = None, OTHERS
        group = self._groups.get(key)
        if group is None:
            group = Group(*key, first_ms=letter.died_ms, example=letter.id or "", error=letter.error)
            self._groups[key] = group
        group.add(letter)

    @property
    def commonest(self) -> list[Group]:
        """The groups, the largest first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def stats(self) -> dict[str, Any]:
        """Counts over all groups, the commonest first."""
        reasons, statuses, errors = Counter[str](), Counter[str](), Counter[str]()
        for group in self._groups.values():
            reasons.update(group.reasons)
            statuses[NO_STATUS if group.status is None else str(group.status)] += group.count
            errors[group.message] += group.count
        groups = self._groups.values()
        return {
            "total": self.total,
            "reasons": dict(reasons.most_common()),
            "statuses": dict(statuses.most_common()),
            "errors": [{"error": error, "count": count} for error, count in errors.most_common()],
            "first": shown_moment(min(group.first_ms for group in groups)) if self.total else None,
            "last": shown_moment(max(group.last_ms for group in groups)) if self.total else None,
        }


def grouped(letters: Iterable[DeadLetter]) -> Groups:
    """Letters, oldest first, in groups."""
    groups = Groups()
    for letter in letters:
        groups.add(letter)
    return groups
