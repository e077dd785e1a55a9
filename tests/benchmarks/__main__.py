"""`make bench`: our figures and the floors', in one run; CPU seconds per million events is the steady one."""

import contextlib
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from forwarder.embedded import EmbeddedServer
from forwarder.feedback import codec
from forwarder.paths import DataDir
from forwarder.queue.connection import Client, connect
from forwarder.queue.keys import Keys
from forwarder.settings import Settings, load_settings
from tests.benchmarks import floors, overview, producers, replays
from tests.benchmarks.senders import senders
from tests.benchmarks.serving import serving_table

EVENTS = 2_000_000
BATCH = 500
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Figure:
    """What one case cost."""

    case: str
    wall_s: float
    cpu_s: float
    rss_mb: float

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds (user and system) per million events."""
        return self.cpu_s / EVENTS * 1e6


def measured(case: str, work: Callable[[], object], whose: int) -> Figure:
    """Run it once; `whose` says whose CPU counts: this process's or its children's."""
    before, began = resource.getrusage(whose), time.monotonic()
    work()
    wall, after = time.monotonic() - began, resource.getrusage(whose)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(case, wall, cpu, after.ru_maxrss / 1024)


@contextlib.contextmanager
def sink(latency_s: float) -> Iterator[str]:
    """The upstream, running; yields its base URL."""
    command = [sys.executable, "-m", "tests.benchmarks.sink", str(latency_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def event(number: int) -> dict[str, object]:
    """About 120 bytes of JSON."""
    return {"trace_id": f"trace-{number:010d}", "value": 5, "text": "a comment as people write them", "weight": 0.5,
            "metadata": {"_user": "u17"}}  # fmt: skip


def fill(client: Client, keys: Keys, body: bytes) -> None:
    """Queue the events of a run, 500 per entry."""
    for _ in range(EVENTS // BATCH):
        client.xadd(keys.events, {"body": body})


def drain(settings: Settings, url: str) -> None:
    """One worker until nothing waits, its start and end included."""
    variables = {
        "FORWARDER_DATA_DIR": str(settings.data_dir),
        "FORWARDER_BASE_URL": url,
        "FORWARDER_API_KEY": "bench",
        "FORWARDER_DRAIN_IDLE_S": "0.1",
        "FORWARDER_LOG_LEVEL": "warning",
    }
    subprocess.run([sys.executable, "-m", "workers", "--burst"], cwd=ROOT, env=os.environ | variables, check=True)


def delivery(settings: Settings, body: bytes) -> list[Figure]:
    """Us, then the floors, for the same events."""
    client, keys = connect(settings), Keys()
    figures = []
    for latency_ms in (0, 50):
        with sink(latency_ms / 1000) as url:
            fill(client, keys, body)
            case = f"one worker, upstream answers after {latency_ms} ms"
            figures.append(measured(case, functools.partial(drain, settings, url), resource.RUSAGE_CHILDREN))
            assert client.xlen(keys.events) == 0
            case = f"floor: bare aiohttp, ready-made bodies, {latency_ms} ms"
            post = functools.partial(floors.post_ready_made, url, body, EVENTS // BATCH)
            figures.append(measured(case, functools.partial(_run, post), resource.RUSAGE_SELF))
    fill(client, keys, body)
    case = "floor: read, acknowledge, delete; no HTTP"
    figures.append(measured(case, lambda: floors.read_and_delete(client, keys), resource.RUSAGE_SELF))
    return figures


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


def _run(work: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(work())


def main() -> None:
    """Measure and print."""
    console = Console()
    body = b"[" + b",".join(codec().encode(event(number)) for number in range(BATCH)) + b"]"
    table = Table("validation of a body of 500 events", "CPU µs per event", title="")
    for name, cost in floors.validation(body, BATCH).items():
        table.add_row(name, f"{cost:.2f}")
    console.print(table)
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        settings = load_settings(redis_url="embedded", data_dir=Path(folder), api_key="bench")
        server = EmbeddedServer(DataDir(settings.data_dir))
        server.start()
        table = Table(
            f"{EVENTS:,} events of {len(body) // BATCH} bytes", "events/s", "CPU s per million", "peak RSS MB"
        )
        for figure in delivery(settings, body):
            table.add_row(
                figure.case, f"{EVENTS / figure.wall_s:,.0f}", f"{figure.cpu_per_million:.2f}", f"{figure.rss_mb:.0f}"
            )
        console.print(table)
        for table in (*producing(settings), _serving(settings)):
            console.print(table)
        server.stop()
    replays.main()
    overview.main()


if __name__ == "__main__":
    main()
