"""Progress bars: on a terminal only, on standard error, so that results can be piped."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from forwarder.cli.output import console

Advance = Callable[[int, int], None]
"""Told how far the work has come (bytes or events) and how many events are done."""


@contextmanager
def progress(label: str, total: int | None, *, in_bytes: bool) -> Iterator[Advance]:
    """A bar; quiet when nobody watches.

    Args:
        label: what is being done.
        total: bytes or events; None when unknown.
        in_bytes: whether `total` and the position are bytes.
    """
    if not sys.stderr.isatty():
        yield lambda _position, _events: None
        return
    from rich import progress as rich_progress  # noqa: PLC0415 - only for people

    amount = rich_progress.DownloadColumn() if in_bytes else rich_progress.MofNCompleteColumn()
    columns = (
        rich_progress.TextColumn(label),
        rich_progress.BarColumn(),
        amount,
        rich_progress.TextColumn("{task.fields[events]:,} events"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, transient=True, console=console(err=True)) as bar:
        task = bar.add_task(label, total=total, events=0)
        yield lambda position, events: bar.update(task, completed=position, events=events)
