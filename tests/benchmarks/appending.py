"""What it costs a producer to bring its events to Redis, beyond the calls themselves.

Buffered: CPU of the client's own threads, and of the flush; the calling thread's is `send` itself, of which `senders`
tells. Events come at up to 100,000 a second: an append of more than 50 ms, as a faster burst may need, is written to
the spill file as well, which is dearer, and is said. Direct: the whole process.

Each measurement is a process of its own, `python -m tests.benchmarks.appending HOW`, by the FORWARDER_* variables; the
events are made before.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from forwarder import FeedbackClient
from tests.benchmarks.events import written
from tests.benchmarks.finding import Finding
from tests.benchmarks.queue import queue, variables
from tests.benchmarks.running import ROOT

ROUNDS: Final = 3
EVENTS: Final = 100_000
BURST: Final = 2_000
BURST_S: Final = 0.02
"""After each burst."""
SINGLE: Final = 5_000
"""Of one event a call."""


def buffered() -> float:
    """CPU seconds per million events of everything but the calling thread's sends."""
    events = list(written(EVENTS))
    with FeedbackClient(source="bench") as client:
        client.send(**events[0])
        client.flush()
        whole_s, mine_s = time.process_time(), time.thread_time()
        for first in range(0, EVENTS, BURST):
            for event in events[first : first + BURST]:
                client.send(**event)
            time.sleep(BURST_S)
        mine_s = time.thread_time() - mine_s
        told = client.flush(60)
        whole_s = time.process_time() - whole_s
        assert told.appended + told.spilled == EVENTS, told
        if told.spilled:
            sys.stderr.write(f"{told.spilled:,} of {EVENTS:,} events went by way of the spill file\n")
    return (whole_s - mine_s) / EVENTS * 1e6


def direct() -> float:
    """CPU seconds per million events, 500 at once."""
    events = list(written(EVENTS))
    with FeedbackClient(source="bench", mode="direct") as client:
        client.send(**events[0])
        cpu_s = time.process_time()
        client.send_many(events)
        return (time.process_time() - cpu_s) / EVENTS * 1e6


def single() -> float:
    """CPU seconds per million events, one a call."""
    events = list(written(SINGLE))
    with FeedbackClient(source="bench", mode="direct") as client:
        client.send(**events[0])
        cpu_s = time.process_time()
        for event in events:
            client.send(**event)
        return (time.process_time() - cpu_s) / SINGLE * 1e6


WAYS: Final[dict[str, tuple[Callable[[], float], str, float | None]]] = {
    "buffered": (buffered, "append, buffered, beyond send()", 1.0),
    "direct": (direct, "append, direct, send_many of 500", None),
    "single": (single, "append, direct, one event a call", None),
}
"""How, as what, and the most CPU seconds per million that are wanted."""


def findings() -> Iterator[Finding]:
    """Each way, the median of some rounds."""
    for name, (_, case, most) in WAYS.items():
        with queue() as settings:
            environment = os.environ | variables(settings)
            cost = statistics.median(_in_its_own_process(name, environment) for _ in range(ROUNDS))
        wanted = "" if most is None else f"≤ {most:.1f} CPU s per million"
        yield Finding(case, wanted, f"{cost:.2f} CPU s per million", most is None or cost <= most)


def _in_its_own_process(name: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.appending", name]
    return float(
        json.loads(subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout)
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(WAYS[sys.argv[1]][0]()))
