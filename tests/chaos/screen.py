"""A chaos run on one screen: while it goes on, and when it is over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from forwarder.queue import ledger
from forwarder.queue.connection import connect
from forwarder.queue.partitions import configured
from forwarder.queue.scripts import run
from tests.chaos.driver import Watch
from tests.chaos.figures import Figures, Recovery
from tests.chaos.history import History
from tests.chaos.world import World

REFRESH_S = 0.5
REPORT_EVERY_S = 30.0
"""Where there is no terminal, one line in so many seconds."""
SHOWN_FAULTS = 15
LOOK_TIMEOUT_S = 0.2
"""The queue may stand still; whoever only looks must not wait for it."""


@contextmanager
def watching(console: Console, seconds: float) -> Iterator[Watch]:
    """Yields what shows a run as it goes on: a screen on a terminal, elsewhere a line now and then."""
    shown_at = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def watch(world: World, history: History) -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at < (REFRESH_S if console.is_terminal else REPORT_EVERY_S):
                return
            shown_at = time.monotonic()
            headline = _headline(world, history, seconds)
            if console.is_terminal:
                live.update(Group(Text(headline, style="bold"), *_latest(history)), refresh=True)
            else:
                console.print(headline, soft_wrap=True)

        yield watch


def _headline(world: World, history: History, seconds: float) -> str:
    elapsed_s = time.time() - history.started_at
    kinds = len({one.kind for one in history.struck})
    return f"{elapsed_s:4.0f} of {seconds:.0f} s · {len(history.struck)} faults of {kinds} kinds · {_books(world)}"


def _books(world: World) -> str:
    settings = world.rig.settings.model_copy(update={"redis_timeout_s": LOOK_TIMEOUT_S})
    with connect(settings, retries=0) as client:
        try:
            books = ledger.total([run(client, ledger.snapshot(keys)) for keys in configured(settings, "default")])
        except RedisError as error:
            return f"the queue does not answer ({type(error).__name__})"
    return (
        f"accepted {books['accepted']:,} · delivered {books['delivered']:,} · dead {books.dead:,} "
        f"· waiting {books['pending']:,}"
    )


def _latest(history: History) -> list[Text]:
    return [Text(history.line(one), no_wrap=True, overflow="ellipsis") for one in history.struck[-SHOWN_FAULTS:]]


def report(figures: Figures) -> Group:
    """The table of faults and what became of the events."""
    return Group(_faults(figures), Text(), _outcome(figures))


def _faults(figures: Figures) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        title=f"chaos with seed {figures.seed}: {figures.injected} faults of {len(figures.kinds)} kinds "
        f"in {figures.seconds:.0f} s",
        caption="seconds from its begin and from its end to the next delivery: median, longest",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("kind of fault", no_wrap=True)
    for column in ("times", "missed", "begin", "longest", "end", "longest"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, kind in figures.kinds.items():
        waits = (*_seconds(kind.after_begin), *_seconds(kind.after_end))
        table.add_row(name, str(kind.injected), str(kind.missed or ""), *waits)
    return table


def _seconds(recovery: Recovery) -> tuple[str, str]:
    p50, longest = ("" if wait is None else f"{wait:.2f}" for wait in (recovery.p50_s, recovery.max_s))
    return p50, longest


def _outcome(figures: Figures) -> RenderableType:
    books, sent = figures.books, figures.sent
    dead = _listed(figures.counted("dead_lettered:"))
    rows = {
        "producers": f"{sent['acknowledged']:,} events acknowledged, {sent['unknown']:,} unknown",
        "ledger": f"{books.get('accepted', 0):,} accepted = {books.get('delivered', 0):,} delivered "
        f"+ {books.get('dead_lettered', 0):,} dead-lettered ({dead}) + {books.get('pending', 0):,} waiting",
        "upstream": f"has {figures.arrived:,} different events and {figures.duplicates:,} duplicates; "
        f"the ledger called {books.get('ambiguous', 0):,} ambiguous",
        "requests": f"by status, as the upstream saw them: {_listed(figures.requests)}",
        "workers": f"deaths that the supervisor saw, by exit status: {_listed(figures.deaths)}",
        "settled": f"{figures.settled_s:g} s after the last fault",
        "verdict": "nothing lost, the books close" if not figures.failures else f"{len(figures.failures)} failures",
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in rows.items():
        table.add_row(name, text)
    return Group(table, *(Text(failure, style="red") for failure in figures.failures))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
