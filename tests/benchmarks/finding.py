"""What a case of `make behaviour` finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    case: str
    wanted: str
    measured: str
    good: bool
