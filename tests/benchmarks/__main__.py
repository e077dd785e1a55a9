"""`make bench`: our figures and the floors', in one run; CPU by the floor's is the steady one.

`--only delivery` and so on for one table; `--full` for the case that takes minutes; `--json` for programs.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from forwarder.embedded import EmbeddedServer
from forwarder.paths import DataDir
from forwarder.settings import Settings, load_settings
from tests.benchmarks import floors, overview, producers, replays
from tests.benchmarks.delivery import CASES, FULL, Row, body_of, measured, sink
from tests.benchmarks.senders import senders
from tests.benchmarks.serving import serving_table

BATCH = 500
TABLES = ("validation", "delivery", "producers", "ingest", "replays", "overview")


@contextmanager
def queue() -> Iterator[Settings]:
    """A server of its own; the settings that lead to it."""
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        settings = load_settings(redis_url="embedded", data_dir=Path(folder), api_key="bench")
        server = EmbeddedServer(DataDir(settings.data_dir))
        server.start()
        try:
            yield settings
        finally:
            server.stop()


def validating() -> Table:
    """What one look at a body costs, by library."""
    table = Table("validation of a body of 500 events", "CPU µs per event", title="")
    for name, cost in floors.validation(body_of(BATCH, 120), BATCH).items():
        table.add_row(name, f"{cost:.2f}")
    return table


def delivering(rows: list[Row]) -> Table:
    """Us and the floor, case by case."""
    table = Table("delivery by one worker", "CPU s per million", "floor", "ratio", "events/s", "floor", "MB", title="")
    for row in rows:
        table.add_row(
            row.case,
            f"{row.cpu:.2f}",
            f"{row.floor_cpu:.2f}",
            f"{row.ratio:.2f}",
            f"{row.events_per_s:,.0f}",
            f"{row.floor_events_per_s:,.0f}",
            f"{row.rss_mb:.0f}",
        )
    return table


def producing(settings: Settings) -> list[Table]:
    """What producers pay: per call, beside other clients; and a million events from eight threads."""
    with sink(0) as url:
        variables = {"FORWARDER_REDIS_URL": "embedded", "FORWARDER_DATA_DIR": str(settings.data_dir)}
        calls = senders(url, os.environ | variables)
    table = Table("producer", "wanted", "measured", title="")
    for finding in producers.threads():
        table.add_row(finding.case, finding.wanted, finding.measured)
    return [calls, table]


def _serving(settings: Settings) -> Table:
    """What the HTTP ingest costs."""
    variables = {"FORWARDER_REDIS_URL": "embedded", "FORWARDER_DATA_DIR": str(settings.data_dir)}
    variables |= {"FORWARDER_BACKLOG_MAX_EVENTS": "1000000000", "FORWARDER_LOG_LEVEL": "warning"}
    return serving_table(os.environ | variables)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=TABLES, help="one table")
    parser.add_argument("--full", action="store_true", help="with the long case")
    parser.add_argument("--json", action="store_true", help="the rows of delivery, as JSON")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked, console = _asked(), Console()
    only = "delivery" if asked.json else asked.only
    with queue() as settings:
        if only in (None, "validation"):
            console.print(validating())
        if only in (None, "delivery"):
            rows = [measured(settings, case) for case in (*CASES, *(FULL if asked.full else ()))]
            if asked.json:
                sys.stdout.write(json.dumps([row.json() for row in rows], indent=2) + "\n")
            else:
                console.print(delivering(rows))
        if only in (None, "producers"):
            for table in producing(settings):
                console.print(table)
        if only in (None, "ingest"):
            console.print(_serving(settings))
    if only in (None, "replays"):
        replays.main()
    if only in (None, "overview"):
        overview.main()


if __name__ == "__main__":
    main()
