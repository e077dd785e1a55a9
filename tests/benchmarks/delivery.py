"""Delivery side by side with its floor: the same bodies, ready-made, posted through the same transport.

Workers run as they do in production, their supervisor's start and end measured once and taken off, so that what is left
is what an event costs. Floor and worker alternate; the best of the rounds counts, for others only ever slow us down.
"""

import contextlib
import functools
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import uvloop

from forwarder.queue.connection import Client, connect
from forwarder.queue.histograms import REQUEST_MS
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from tests.benchmarks import floors, running
from tests.benchmarks.events import body_of
from tests.benchmarks.running import ROOT, Used

FILL_TOGETHER: Final = 2_000
STARTS: Final = 3
"""Of which the best counts: an error in it would be one of each case."""
MANY_FROM_MS: Final = 50
"""A floor with a latency like this needs as many requests in flight as our workers may have."""
FILL: Final = "for _ = 1, tonumber(ARGV[2]) do redis.call('XADD', KEYS[1], '*', 'body', ARGV[1]) end"


@dataclass(frozen=True, slots=True)
class Case:
    """What is delivered, and how.

    Attributes:
        name: in the table and the baseline.
        events: how many.
        per_entry: events of one entry.
        event_bytes: about the size of one.
        batch: most events of one request.
        latency_ms: of the upstream.
        workers: at once.
        rounds: of which the best one counts.
    """

    name: str
    events: int = 1_000_000
    per_entry: int = 500
    event_bytes: int = 120
    batch: int = 500
    latency_ms: int = 0
    workers: int = 1
    rounds: int = 2

    @property
    def floor_in_flight(self) -> int:
        """Requests at once of the floor: few are the cheapest, but for a slow upstream too few."""
        return 128 if self.latency_ms >= MANY_FROM_MS else 16


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. CPU is in seconds per million events, memory that of the largest process.

    p50 and p99 are of a request, as the workers see it: by the ledger's histogram, whose least bounds are 5 and 10 ms.
    """

    case: str
    cpu: float
    floor_cpu: float
    events_per_s: float
    floor_events_per_s: float
    rss_mb: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0

    @property
    def ratio(self) -> float:
        """Our CPU by the floor's; it says the same on a slow machine and a quick one."""
        return self.cpu / self.floor_cpu

    def json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {**asdict(self), "ratio": self.ratio}


CASES: Final = (
    Case("500 per body"),
    Case("2,000 per body", batch=2_000),
    Case("100 per body", per_entry=100, batch=100, events=500_000),
    Case("100 per entry", per_entry=100),
    Case("one per entry", per_entry=1, events=300_000),
    Case("90 bytes", event_bytes=90),
    Case("1,000 bytes", event_bytes=1_000, events=300_000),
    Case("5 ms", latency_ms=5),
    Case("50 ms", latency_ms=50, events=3_000_000),
    Case("50 ms, two workers", latency_ms=50, events=3_000_000, workers=2),
)
FULL: Final = (Case("10,000,000 queued", events=10_000_000, rounds=1),)


@contextlib.contextmanager
def sink(latency_ms: float, *options: str) -> Iterator[str]:
    """The upstream, running; yields its base URL."""
    command = [sys.executable, "-m", "tests.benchmarks.sink", str(latency_ms / 1000), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def used_here(work: Callable[[], object]) -> Used:
    """What some work in this process takes."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(cpu_s, wall_s, after.ru_maxrss / 1024)


def fill(client: Client, keys: Keys, case: Case, entries: int) -> None:
    """Queue entries of a case."""
    fill_with(client, keys, body_of(case.per_entry, case.event_bytes), entries)


def fill_with(client: Client, keys: Keys, body: bytes, entries: int) -> None:
    """Queue entries with this body, by the server itself: a million single ones in two seconds."""
    add = client.register_script(FILL)
    for first in range(0, entries, FILL_TOGETHER):
        add(keys=[keys.events], args=[body, min(FILL_TOGETHER, entries - first)])


def drain(settings: Settings, url: str, case: Case) -> Used:
    """Workers until nothing waits, their start and end included."""
    variables = {
        "FORWARDER_DATA_DIR": str(settings.data_dir),
        "FORWARDER_BASE_URL": url,
        "FORWARDER_API_KEY": "bench",
        "FORWARDER_BATCH_MAX_EVENTS": str(case.batch),
        "FORWARDER_BATCH_MAX_BYTES": str(16 * 1_048_576),
        "FORWARDER_DRAIN_IDLE_S": "0.5",
        "FORWARDER_LOG_LEVEL": "warning",
    }
    return running.run([[sys.executable, "-m", "workers", "--burst"]] * case.workers, variables)


def _started(settings: Settings, client: Client, url: str, case: Case) -> Used:
    """What workers cost that have next to nothing to do."""
    fill(client, Keys(), case, case.workers)
    return drain(settings, url, case)


def measured(settings: Settings, case: Case) -> Row:
    """A case and its floor, alternating."""
    client, keys = connect(settings), Keys()
    ready = body_of(case.batch, case.event_bytes)
    with sink(case.latency_ms) as url:
        starts, ours, floor = [_started(settings, client, url, case) for _ in range(STARTS)], [], []
        client.delete(keys.ledger)
        for _ in range(case.rounds):
            fill(client, keys, case, case.events // case.per_entry)
            ours.append(drain(settings, url, case))
            assert client.xlen(keys.events) == 0
            post = functools.partial(
                floors.post_by_transport, url, ready, case.events // case.batch, case.floor_in_flight
            )
            floor.append(used_here(lambda post=post: uvloop.run(post())))  # type: ignore[misc]
    cpu_s, wall_s = (
        min(getattr(one, name) for one in ours) - min(getattr(one, name) for one in starts)
        for name in ("cpu_s", "wall_s")
    )
    counters = run(client, snapshot(keys)).counters
    return Row(
        case.name,
        cpu_s / case.events * 1e6,
        min(one.cpu_s for one in floor) / case.events * 1e6,
        case.events / wall_s,
        case.events / min(one.wall_s for one in floor),
        max(one.rss_mb for one in ours),
        *(REQUEST_MS.quantile(counters, share) or 0.0 for share in (0.5, 0.99)),
    )
