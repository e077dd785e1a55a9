"""What a call costs who sends: our client and others of its kind, each in a process of its own, against loopback."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[2]
CALLS: Final = 50_000
TEXT: Final = "a comment as people write them"
REPEATS: Final = 5


class Cost(msgspec.Struct):
    """What one run measured.

    Attributes:
        call_us: the median call, in the caller's thread (wall clock, µs).
        cpu_us: of the whole process per event, its background threads and the sending included (µs).
    """

    call_us: float
    cpu_us: float


def ours(_: str) -> tuple[Callable[[int], object], Callable[[], object]]:
    """`send` and `flush` of our client, by the FORWARDER_* variables."""
    from forwarder import FeedbackClient  # noqa: PLC0415 - only in its own process

    client = FeedbackClient(source="bench")

    def send(number: int) -> None:
        client.send(trace_id=f"trace-{number:010d}", value=5, weight=0.5, text=TEXT, metadata={"_user": "u17"})

    return send, client.close


def posthog(url: str) -> tuple[Callable[[int], object], Callable[[], object]]:
    """`capture` of PostHog's client."""
    from posthog import Posthog  # noqa: PLC0415 - only in its own process

    client: Any = Posthog("bench", host=url, max_queue_size=2 * CALLS)

    def send(number: int) -> None:
        properties = {"value": 5, "weight": 0.5, "text": TEXT, "_user": "u17"}
        client.capture("feedback", distinct_id=f"trace-{number:010d}", properties=properties)

    return send, client.shutdown


def segment(url: str) -> tuple[Callable[[int], object], Callable[[], object]]:
    """`track` of Segment's client."""
    from segment.analytics import Client  # noqa: PLC0415 - only in its own process

    client: Any = Client("bench", host=url, max_queue_size=2 * CALLS)

    def send(number: int) -> None:
        client.track(f"trace-{number:010d}", "feedback", {"value": 5, "weight": 0.5, "text": TEXT, "_user": "u17"})

    return send, client.shutdown


def cost(make: Callable[[str], tuple[Callable[[int], object], Callable[[], object]]], url: str) -> Cost:
    """Send CALLS events at a pace that no buffer minds, and wait until they have left."""
    send, finish = make(url)
    send(0)
    took_ns = []
    cpu_s = time.process_time()
    for number in range(1, CALLS + 1):
        began = time.perf_counter_ns()
        send(number)
        took_ns.append(time.perf_counter_ns() - began)
    finish()
    cpu_s = time.process_time() - cpu_s
    return Cost(statistics.median(took_ns) / 1e3, cpu_s / CALLS * 1e6)


def in_its_own_process(name: str, url: str, environment: dict[str, str]) -> Cost:
    """The medians of several runs, each in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.senders", name, url]
    runs = [
        msgspec.json.decode(
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout.splitlines()[-1],
            type=Cost,
        )
        for _ in range(REPEATS)
    ]
    return Cost(statistics.median([run.call_us for run in runs]), statistics.median([run.cpu_us for run in runs]))


def import_ms(statement: str) -> float:
    """The median time of a process that imports something, less that of one that does nothing (ms)."""
    return _process_ms(statement) - _process_ms("pass")


def _process_ms(statement: str) -> float:
    took_ms = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)
        took_ms.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took_ms)


CLIENTS: Final = {
    "ours": ("FeedbackClient.send", "from forwarder import FeedbackClient", ours),
    "posthog": ("PostHog's capture", "import posthog", posthog),
    "segment": ("Segment's track", "import segment.analytics", segment),
}


def senders(url: str, environment: dict[str, str]) -> Table:
    """One table, ours beside the others', and what they cost as a multiple of ours.

    Args:
        url: of a sink for those that speak HTTP.
        environment: with the FORWARDER_* variables of a running queue.
    """
    table = Table(
        f"{CALLS:,} calls, one thread", "median call, µs", "CPU µs per event, all threads", "import ms", title=""
    )
    measured = {name: in_its_own_process(name, url, environment) for name in CLIENTS}
    mine = measured["ours"]
    for name, (shown, statement, _) in CLIENTS.items():
        one = measured[name]
        times = (
            ("", "")
            if name == "ours"
            else (f" ({one.call_us / mine.call_us:.0f} x)", f" ({one.cpu_us / mine.cpu_us:.0f} x)")
        )
        table.add_row(
            shown, f"{one.call_us:.2f}{times[0]}", f"{one.cpu_us:.1f}{times[1]}", f"{import_ms(statement):.0f}"
        )
    return table


if __name__ == "__main__":
    found = cost(CLIENTS[sys.argv[1]][2], sys.argv[2])
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
