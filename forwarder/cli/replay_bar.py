"""The progress of a replay on a terminal: how far, how fast, until when, and what became of its events."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from forwarder.cli.output import console
from forwarder.operations.replay_forms import Replay
from forwarder.queue.replays import Record


@contextmanager
def replay_bar(expected: int | None) -> Iterator[Callable[[Record | Replay], None]]:
    """A bar; quiet when nobody watches.

    Args:
        expected: letters that will move; when it is not known, the bar tells how much of the dead stream was seen.
    """
    if not sys.stderr.isatty():
        yield lambda _record: None
        return
    from rich import progress  # noqa: PLC0415 - only for people

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[outcome]}"),
    )
    with progress.Progress(*columns, transient=True, console=console(err=True)) as bar:
        task = bar.add_task("moving", total=expected, rate="", outcome="")

        def show(record: Record | Replay) -> None:
            done = record.moved if expected is not None else record.seen
            speed = next(one.speed for one in bar.tasks if one.id == task)
            bar.update(
                task,
                description="canary" if record.state == "canary" else "moving",
                completed=done,
                total=expected if expected is not None else max(record.dead, record.seen),
                rate=f"{speed:,.0f}/s" if speed else "",
                outcome=f"delivered {record.delivered:,} · dead again {record.died:,}",
            )

        yield show
