"""What a measurement finds, beside what is wanted of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table.

    Attributes:
        case: what was measured.
        wanted: of it; empty when nobody has said.
        measured: what came out.
        good: whether that is what is wanted.
    """

    case: str
    wanted: str
    measured: str
    good: bool = True


def table_of(title: str, found: Iterable[Finding]) -> Table:
    """What was wanted, what was measured, and whether it is enough."""
    table = Table(title, "wanted", "measured", "", title="")
    for one in found:
        verdict = "ok" if one.good else "NOT MET"
        table.add_row(one.case, one.wanted, one.measured, verdict if one.wanted else "")
    return table
