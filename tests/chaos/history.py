"""What really went wrong in a run, and when."""

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Struck:
    """A fault that was injected.

    Attributes:
        kind: its name.
        hit: what it hit, in a few words.
        began_at: seconds since 1970.
        ended_at: likewise; None while it is in force.
    """

    kind: str
    hit: str
    began_at: float
    ended_at: float | None = None


@dataclass(slots=True)
class History:
    """The faults of a run in their order.

    Attributes:
        started_at: when the first could have struck (seconds since 1970).
        struck: those that were injected.
        missed: by kind, those that found nothing to hit.
    """

    started_at: float = field(default_factory=time.time)
    struck: list[Struck] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)

    @property
    def in_force(self) -> list[Struck]:
        """Those that have not ended."""
        return [one for one in self.struck if one.ended_at is None]

    def line(self, one: Struck) -> str:
        """When it was, for how long, what it was and what it hit."""
        if one.ended_at is None:
            lasted = "      …"
        else:
            lasted = f"{one.ended_at - one.began_at:6.1f}s" if one.ended_at - one.began_at >= 0.05 else ""
        return f"{one.began_at - self.started_at:7.1f}s {lasted:>7}  {one.kind:24} {one.hit}"

    def __str__(self) -> str:
        return "\n".join(map(self.line, self.struck))
