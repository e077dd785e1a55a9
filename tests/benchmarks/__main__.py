"""`make bench`: our figures and the floors', in one run; CPU by the floor's is the steady one.

`--only delivery` and so on for one table; `--full` for the case that takes minutes; `--json` for programs; `--peers`
for others' ways to do the same (`tests/benchmarks/peers`).
"""

import argparse
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from forwarder.queue.connection import connect
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.queue.stream import ensure_group
from tests.benchmarks import burst, figures, floors, overview, producers, replays, targets
from tests.benchmarks.delivery import CASES, FULL, Case, Row, fill, measured, sink, used_here
from tests.benchmarks.events import body_of
from tests.benchmarks.finding import table_of
from tests.benchmarks.peers import table as peers
from tests.benchmarks.queue import queue, variables
from tests.benchmarks.senders import senders
from tests.benchmarks.serving import serving_table

BATCH: Final = 500
PEERS: Final = "peers"
WIDTH: Final = 160
"""Of what goes to a file or a pipe."""
Plain = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, and what programs read of it: by default its cells."""

    table: Table
    plain: Plain | None = None

    def json(self) -> Plain:
        """Row by row."""
        if self.plain is not None:
            return self.plain
        names = [str(column.header) or "verdict" for column in self.table.columns]
        lines = zip(*(column.cells for column in self.table.columns), strict=True)
        return [dict(zip(names, line, strict=True)) for line in lines]


def validating() -> Table:
    """What one look at a body costs, by library."""
    table = Table("validation of a body of 500 events", "CPU µs per event", title="")
    for name, cost in floors.validation(body_of(BATCH, 120), BATCH).items():
        table.add_row(name, f"{cost:.2f}")
    return table


def delivering(asked: argparse.Namespace) -> Iterator[Sheet]:
    """Us and the floor, case by case; and what is wanted of it."""
    with queue() as settings:
        rows = [measured(settings, case) for case in (*CASES, *(FULL if asked.full else ()))]
    yield Sheet(delivery_table(rows), [row.json() for row in rows])
    yield Sheet(table_of("delivery", targets.findings(rows)))


def delivery_table(rows: list[Row]) -> Table:
    """A line for each case."""
    heads = ("CPU s per million", "floor", "ratio", "events/s", "floor", "MB", "a request, ms (p50 / p99)")
    table = Table("delivery by one worker", *heads, title="")
    for row in rows:
        table.add_row(
            row.case,
            f"{row.cpu:.2f}",
            f"{row.floor_cpu:.2f}",
            f"{row.ratio:.2f}",
            f"{row.events_per_s:,.0f}",
            f"{row.floor_events_per_s:,.0f}",
            f"{row.rss_mb:.0f}",
            f"{row.p50_ms:.0f} / {row.p99_ms:.0f}",
        )
    return table


def reading(_: argparse.Namespace) -> Iterator[Sheet]:
    """The floor of any consumer: entries read, acknowledged and deleted, and nothing else."""
    table = Table("read, acknowledge, delete", "CPU s per million", "events/s", title="")
    for case in (Case("arrays of 500"), Case("one per entry", per_entry=1, events=300_000)):
        with queue() as settings, connect(settings) as client:
            keys = Keys()
            run(client, ensure_group(keys))
            fill(client, keys, case, case.events // case.per_entry)
            used = used_here(functools.partial(floors.read_and_delete, client, keys))
        table.add_row(case.name, f"{used.cpu_s / case.events * 1e6:.2f}", f"{case.events / used.wall_s:,.0f}")
    yield Sheet(table)


def producing(_: argparse.Namespace) -> Iterator[Sheet]:
    """What producers pay: per call, beside other clients; and a million events from eight threads."""
    with queue() as settings, sink(0) as url:
        yield Sheet(senders(url, os.environ | variables(settings)))
    yield Sheet(table_of("producer", producers.threads()))


def serving(_: argparse.Namespace) -> Iterator[Sheet]:
    """What the HTTP ingest costs."""
    quiet = {"FORWARDER_BACKLOG_MAX_EVENTS": "1000000000", "FORWARDER_LOG_LEVEL": "warning"}
    with queue() as settings:
        yield Sheet(serving_table(os.environ | variables(settings) | quiet))


def against(_: argparse.Namespace) -> Iterator[Sheet]:
    """Us beside others."""
    for title, kind in peers.KINDS:
        lines = list(peers.measured(kind))
        yield Sheet(peers.table_of(f"against peers: {title}", lines), [line.json() for line in lines])


MEASURES: Final[dict[str, Callable[[argparse.Namespace], Iterator[Sheet]]]] = {
    "validation": lambda _: iter([Sheet(validating())]),
    "reading": reading,
    "delivery": delivering,
    "figures": lambda _: iter([Sheet(table_of("figures of a queue", figures.findings()))]),
    "producers": producing,
    "ingest": serving,
    "replays": lambda _: iter([Sheet(replays.measured())]),
    "burst": lambda _: iter([Sheet(table_of("a burst of dead letters", burst.findings()))]),
    "overview": lambda _: iter([Sheet(overview.overview_table())]),
    PEERS: against,
}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, help="one of them")
    parser.add_argument("--full", action="store_true", help="with the long case")
    parser.add_argument("--peers", action="store_true", help="with others' ways to do the same")
    parser.add_argument("--json", action="store_true", help="for programs: the rows of each table")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked, console = _asked(), Console(width=None if sys.stdout.isatty() else WIDTH)
    plain: dict[str, list[Plain]] = {}
    usual = [name for name in MEASURES if asked.peers or name != PEERS]
    for name in [asked.only] if asked.only else usual:
        for sheet in MEASURES[name](asked):
            plain.setdefault(name, []).append(sheet.json())
            if not asked.json:
                console.print(sheet.table)
    if asked.json:
        json.dump(plain, sys.stdout, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    main()
