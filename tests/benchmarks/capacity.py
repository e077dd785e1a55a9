"""What `forwarder.capacity` computes with: CPU and memory per event, measured on this machine.

`python -m tests.benchmarks.capacity` prints the constants; events of two sizes give a part per event and one per byte.
"""

import functools
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from forwarder.feedback import Members
from forwarder.queue.connection import Client, connect
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, append, new_chunk_id
from forwarder.settings import Settings
from tests.benchmarks.delivery import sink
from tests.benchmarks.events import event_of
from tests.benchmarks.queue import queue, server_cpu
from tests.benchmarks.running import ROOT

SIZES = (100, 1_000)
EVENTS = {"arrays": 100_000, "singles": 60_000}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one event.

    Attributes:
        append_us: CPU of Redis, to take it.
        drain_us: CPU of Redis, until it is delivered and gone.
        worker_us: CPU of the worker.
        memory: bytes in Redis while it waits.
    """

    append_us: float
    drain_us: float
    worker_us: float
    memory: float


Seconds = tuple[float, float, float]
"""CPU of Redis to append and to drain, and of the worker."""


def measure(settings: Settings, client: Client, shape: str, size: int, start: Seconds) -> Cost:
    """Append events of one size and shape, then deliver them to a sink that answers at once.

    What a worker costs that delivers one event is its start, and is taken off.
    """
    count, keys = EVENTS[shape], Keys()
    seconds, memory = run_through(settings, client, shape, size, count)
    append_us, drain_us, worker_us = ((whole - one) / count * 1e6 for whole, one in zip(seconds, start, strict=True))
    assert client.xlen(keys.events) == 0
    return Cost(append_us, drain_us, worker_us, memory / count)


def run_through(settings: Settings, client: Client, shape: str, size: int, count: int) -> tuple[Seconds, int]:
    """So many events, and the bytes that they took in Redis."""
    client.flushall()
    base = int(client.info("memory")["used_memory"])
    append_s = redis_cpu(client, functools.partial(_fill, client, shape, size, count, settings))
    memory = int(client.info("memory")["used_memory"]) - base
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with sink(0) as url:
        drain_s = redis_cpu(client, functools.partial(_drain, settings, url))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the sink has not been waited for yet
    worker_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (append_s, drain_s, worker_s), memory


def _fill(client: Client, shape: str, size: int, number: int, settings: Settings) -> None:
    if shape == "singles":  # as programs in any language do it
        for first in range(0, number, CHUNK_MAX_EVENTS):
            with client.pipeline(transaction=False) as pipeline:
                for at in range(first, min(first + CHUNK_MAX_EVENTS, number)):
                    pipeline.xadd(Keys().events, {"body": event_of(at, size)})
                pipeline.execute()
        return
    per_entry = min(CHUNK_MAX_EVENTS, CHUNK_MAX_BYTES // (size + 1))
    for first in range(0, number, per_entry):
        count = min(per_entry, number - first)
        members = Members(b",".join(event_of(at, size) for at in range(first, first + count)), count)
        run(client, append(Keys(), members, chunk_id=new_chunk_id(), source="bench", caps=settings.caps))


def _drain(settings: Settings, url: str) -> None:
    variables = {"FORWARDER_DATA_DIR": str(settings.data_dir), "FORWARDER_BASE_URL": url, "FORWARDER_API_KEY": "bench"}
    variables |= {"FORWARDER_DRAIN_IDLE_S": "0.1", "FORWARDER_LOG_LEVEL": "warning"}
    subprocess.run([sys.executable, "-m", "workers", "--burst"], cwd=ROOT, env=os.environ | variables, check=True)


def redis_cpu(client: Client, work: Callable[[], None]) -> float:
    """CPU seconds of the server meanwhile."""
    before = server_cpu(client)
    work()
    return server_cpu(client) - before


def main() -> None:
    """Measure and print."""
    table = Table("events as", "bytes", "Redis, append µs", "Redis, drain µs", "worker µs", "memory, bytes", title="")
    with queue(dedupe_ttl_s=60) as settings, connect(settings) as client:
        start, _ = run_through(settings, client, "singles", SIZES[0], 1)
        for shape in EVENTS:
            for size in SIZES:
                cost = measure(settings, client, shape, size, start)
                shown = (cost.append_us, cost.drain_us, cost.worker_us, cost.memory)
                sys.stderr.write(f"{shape} {size}: {cost}\n")
                table.add_row(shape, str(size), *(f"{value:.2f}" for value in shown))
    Console().print(table)


if __name__ == "__main__":
    main()
