"""What more workers and partitions bring on this machine, and what sealing costs.

`python -m tests.benchmarks.scaling` prints two tables. Events wait while nobody may send; then the time runs from the
first that is delivered to the last. All cases are run in turns and the best of each counts, for others use the machine.
"""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from forwarder.feedback import Members
from forwarder.queue import crew, ledger
from forwarder.queue.connection import Client, connect
from forwarder.queue.keys import Keys
from forwarder.queue.partitions import configured
from forwarder.queue.pause import end_pause, set_pause
from forwarder.queue.scripts import run, run_all
from forwarder.queue.stream import append, new_chunk_id
from forwarder.settings import Settings
from tests.benchmarks.delivery import sink
from tests.benchmarks.events import event_of
from tests.benchmarks.queue import queue, server_cpu
from tests.benchmarks.queue import variables as leading_to
from tests.benchmarks.running import ROOT
from tests.support.waiting import eventually

SCALES = ((1, 1), (2, 1), (2, 2), (2, 4))
"""Workers and partitions."""
SHAPES = {"arrays": (500, 600_000), "singles": (1, 40_000)}
"""Events to an entry, and of a run."""
EVENT_BYTES = 150
AT_ONCE = "8"
"""Requests of the fleet: a run is too short for it to find out that this upstream takes any number."""
ROUNDS = 2
ENTRIES_TOGETHER = 50
WITHIN_S = 120.0
KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True, slots=True)
class Found:
    """One run.

    Attributes:
        per_s: events delivered per second.
        redis: cores of the server, meanwhile.
        redis_us: CPU microseconds of the server per event, meanwhile.
        worker_us: likewise, of the workers.
        append_us: CPU microseconds of who appended, per event.
        stored: bytes in Redis per event.
    """

    per_s: float
    redis: float
    redis_us: float
    worker_us: float
    append_us: float
    stored: float


def measure(workers: int, shape: str, variables: dict[str, str]) -> Found:
    """Deliver the events of one shape with so many workers, on a server of their own."""
    per_entry, count = SHAPES[shape]
    options = {name.removeprefix("FORWARDER_").lower(): value for name, value in variables.items()}
    with sink(0) as url, queue(**options) as settings, connect(settings) as client:
        given = {"FORWARDER_BASE_URL": url, "FORWARDER_API_KEY": "bench", "FORWARDER_CONCURRENCY": AT_ONCE}
        given |= {"FORWARDER_LOG_LEVEL": "error", "FORWARDER_DRAIN_IDLE_S": "0.3", **variables, **leading_to(settings)}
        base = int(client.info("memory")["used_memory"])
        run(client, set_pause(Keys(), "the bench fills the queue", None))
        bodies = _bodies(per_entry, count)
        began = time.process_time()
        _fill(client, settings, bodies)
        append_us = (time.process_time() - began) / count * 1e6
        stored = (int(client.info("memory")["used_memory"]) - base) / count
        with _workers(workers, given) as supervisor:
            assert eventually(lambda: len(crew.workers(client)) == workers, 60)
            rates = _delivered(client, settings, count, supervisor)
        return Found(*rates, append_us, stored)


def _delivered(client: Client, settings: Settings, count: int, supervisor: int) -> tuple[float, float, float, float]:
    """Events per second, cores of the server, CPU microseconds per event of the server and of the workers."""
    partitions = configured(settings, "default")

    def delivered() -> int:
        return ledger.total([run(client, ledger.snapshot(keys)) for keys in partitions])["delivered"]

    run(client, end_pause(Keys()))
    first = eventually(delivered, WITHIN_S)
    began, busy_s, redis_s = time.monotonic(), _cpu_s(supervisor), server_cpu(client)
    assert eventually(lambda: delivered() == count, WITHIN_S), "not all were delivered in time"
    took_s, busy_s, redis_s = time.monotonic() - began, _cpu_s(supervisor) - busy_s, server_cpu(client) - redis_s
    left = count - first
    return left / took_s, redis_s / took_s, redis_s / left * 1e6, busy_s / left * 1e6


def _cpu_s(pid: int) -> float:
    """CPU of a process and of all its descendants, also of those that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(_cpu_s, map(int, children)))


def _bodies(per_entry: int, count: int) -> list[Members]:
    made = []
    for first in range(0, count, per_entry):
        events = [event_of(at, EVENT_BYTES) for at in range(first, min(first + per_entry, count))]
        made.append(Members(b",".join(events), len(events)))
    return made


def _fill(client: Client, settings: Settings, bodies: Sequence[Members]) -> None:
    """As our clients do it, over all partitions in turn."""
    partitions = configured(settings, "default")
    for first in range(0, len(bodies), ENTRIES_TOGETHER):
        numbered = enumerate(bodies[first : first + ENTRIES_TOGETHER], first)
        steps = [
            append(
                partitions[number % len(partitions)],
                members,
                chunk_id=new_chunk_id(),
                source="bench",
                caps=settings.caps,
            )
            for number, members in numbered
        ]
        run_all(client, steps)


@contextmanager
def _workers(number: int, variables: dict[str, str]) -> Iterator[int]:
    command = [sys.executable, "-m", "forwarder.cli", "worker", "-n", str(number)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | variables) as supervisor:
        try:
            yield supervisor.pid
        finally:
            supervisor.terminate()


def main() -> None:
    """Measure and print."""
    results: dict[tuple[int, int, str, bool], list[Found]] = {}
    results |= {(*scale, shape, False): [] for shape in SHAPES for scale in SCALES}
    results |= {(1, 1, shape, True): [] for shape in SHAPES}
    for _ in range(ROUNDS):
        for (workers, partitions, shape, sealed), found in results.items():
            variables = {"FORWARDER_PARTITIONS": str(partitions)} | ({"FORWARDER_QUEUE_KEY": KEY} if sealed else {})
            found.append(measure(workers, shape, variables))
            sys.stderr.write(f"{workers} x {partitions} {shape} {'sealed ' * sealed}{found[-1]}\n")
    best = {case: max(found, key=lambda one: one.per_s) for case, found in results.items()}
    scales = Table("workers x partitions", "events as", "events/s", "Redis, cores", title="")
    sealing = Table("events as", "", "append µs", "worker µs", "Redis, drain µs", "bytes in Redis", title="")
    for (workers, partitions, shape, sealed), one in best.items():
        if not sealed:
            scales.add_row(f"{workers} x {partitions}", shape, f"{one.per_s:,.0f}", f"{one.redis:.2f}")
        if workers == 1:
            figures = (one.append_us, one.worker_us, one.redis_us, one.stored)
            sealing.add_row(shape, "sealed" if sealed else "plain", *(f"{figure:.1f}" for figure in figures))
    for table in (scales, sealing):
        Console().print(table)


if __name__ == "__main__":
    main()
