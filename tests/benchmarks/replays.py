"""A million dead letters: look at them, group them, replay them; each as its own process, start-up included."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from forwarder.queue.connection import Client, connect
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from tests.benchmarks.finding import Finding, table_of
from tests.benchmarks.queue import queue
from tests.benchmarks.running import ROOT
from tests.support.letters import bury

LETTERS = 1_000_000
SMALL_MB = 150


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost."""

    seconds: float
    rss_mb: float


def forwarder(settings: Settings, *arguments: str) -> Cost:
    """Run a command."""
    environment = os.environ | {"FORWARDER_DATA_DIR": str(settings.data_dir), "FORWARDER_API_KEY": "bench"}
    began = time.monotonic()
    command = [sys.executable, "-m", "forwarder.cli", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return Cost(time.monotonic() - began, _mb(used))


def _mb(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024


def looking(settings: Settings) -> Iterator[Finding]:
    """The first page, and the groups."""
    page = forwarder(settings, "dead-letters", "list", "--limit", "50")
    yield Finding("first page", "<= 0.3 s", f"{page.seconds:.2f} s, {page.rss_mb:.0f} MB", page.seconds <= 0.3)
    groups = forwarder(settings, "dead-letters", "groups")
    good = groups.seconds <= 10 and groups.rss_mb <= SMALL_MB
    yield Finding("groups", "<= 10 s, <= 150 MB", f"{groups.seconds:.1f} s, {groups.rss_mb:.0f} MB", good)


def replaying(settings: Settings, client: Client, shape: str) -> Finding:
    """All of them, from the dead stream to the queue."""
    cost = forwarder(settings, "replay", "--yes")
    books = run(client, snapshot(Keys()))
    assert (books["replayed"], books.dead) == (LETTERS, 0)
    assert all(line.closes for line in books.lines)
    rate = LETTERS / cost.seconds
    good = rate >= 100_000 and cost.rss_mb <= SMALL_MB
    return Finding(shape, ">= 100,000/s, <= 150 MB", f"{rate:,.0f}/s, {cost.rss_mb:.0f} MB", good)


def findings(settings: Settings) -> Iterator[Finding]:
    """All cases."""
    client = connect(settings)
    bury(client, LETTERS)
    yield from looking(settings)
    yield replaying(settings, client, "replay, 500 letters of one first time each")
    client.flushall()
    bury(client, LETTERS, apart=True)
    yield replaying(settings, client, "replay, each letter of another first time")


def measured() -> Table:
    """All of them in a table."""
    with queue() as settings:
        return table_of(f"{LETTERS:,} dead letters", findings(settings))


if __name__ == "__main__":
    Console(width=120).print(measured())
