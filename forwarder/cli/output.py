"""How things are printed: tables on a terminal, tab-separated lines in a pipe, JSON when asked for.

Text from events is never trusted: it reaches a terminal with its control characters escaped and no markup read.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def printable(text: str) -> str:
    """Text with whatever is not printable (control characters, line breaks, bidirectional overrides) escaped."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode() for sign in text
    )


def clipped(text: str, length: int = 60) -> str:
    """The beginning of a text."""
    return text if len(text) <= length else text[: length - 1] + "…"


def console(*, err: bool = False) -> "Console":
    """A console that colours nothing by itself."""
    from rich.console import Console  # noqa: PLC0415 - a quarter of the start-up

    return Console(stderr=err, highlight=False, markup=False, emoji=False)


def is_terminal() -> bool:
    """Whether a person watches standard output."""
    return sys.stdout.isatty()


def is_attended() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def line(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(printable(text) + "\n")


def json_out(value: Any) -> None:  # noqa: ANN401 - any JSON
    """A value as JSON; ASCII only, so that it is right in every locale and harmless on every terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def json_array_out(items: Iterable[Any]) -> None:
    """An array of any length, one item per line."""
    sys.stdout.write("[")
    separator = "\n"
    for item in items:
        sys.stdout.write(separator + json.dumps(item))
        separator = ",\n"
    sys.stdout.write("\n]\n" if separator != "\n" else "]\n")


def table_out(headers: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table on a terminal; in a pipe a header and one line per row, cells separated by tabs."""
    if is_terminal():
        console().print(rich_table(headers, rows, title=title))
        return
    sys.stdout.write("\t".join(headers) + "\n")
    for row in rows:
        sys.stdout.write("\t".join(printable(shown(cell)) for cell in row) + "\n")


def rich_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> "Table":
    """The same as rich sees it; numbers to the right."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    kept = [list(row) for row in rows]
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for index, header in enumerate(headers):
        numeric = any(isinstance(row[index], int) for row in kept)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in kept:
        table.add_row(*(Text(printable(_grouped(cell))) for cell in row))
    return table


def counted(amount: int, one: str, many: str = "") -> str:
    """`1 event`, `2,000 events`; `many` for a plural that is not made with an s."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def shown(cell: object) -> str:
    """A cell as text; a dash for what is not there."""
    return "-" if cell is None or cell == "" else str(cell)


def _grouped(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else shown(cell)
