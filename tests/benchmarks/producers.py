"""Cases of `make behaviour`: producers in trouble."""

import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.finding import Finding
from tests.support.programs import kill_a_producer, queued, run_program, sent, started_program
from tests.support.rig import Rig
from tests.support.waiting import eventually
from tests.support.web_server import browse_through_an_outage


@contextmanager
def rig(**variables: str) -> Iterator[Rig]:
    """The queue alone is needed; the workers are not started."""
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Rig(Path(folder), **variables) as started:
        yield started


def threads() -> Iterator[Finding]:
    """A million events from eight threads, as fast as they can."""
    with rig() as system:
        client = system.client(mode="buffered")
        client.thumbs_up("first")
        client.flush()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu, began = time.process_time(), time.monotonic()

        def produce(name: int) -> None:
            for number in range(125_000):
                client.send(trace_id=f"t{name}-{number}", value=3, text="exactly what I was looking for")

        senders = [threading.Thread(target=produce, args=(name,)) for name in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        told = client.close(60)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        with system.client(mode="buffered"):
            eventually(lambda: system.books()["accepted"] > 1_000_000)
        arrived = system.books()["accepted"] - 1
        yield Finding(
            "1,000,000 events from 8 threads",
            "none lost, memory bounded by FORWARDER_CLIENT_BUFFER_MAX_BYTES (64 MiB)",
            f"{1_000_000 - arrived} lost, {told.spilled:,} by way of the spill file, {grown_mb:.0f} MB more memory, "
            f"{seconds:.1f} s, {cpu:.1f} µs of CPU per event",
            arrived == 1_000_000 and not told.dropped and grown_mb < 2 * 64,
        )


def gunicorn() -> Iterator[Finding]:
    """A web app behind gunicorn --preload while Valkey is killed and restarted, workers recycled."""
    with rig() as system:
        answered, arrived = browse_through_an_outage(system, 10_000, recycle_after=500)
        lost = len(set(answered) - arrived)
        yield Finding(
            "gunicorn --preload, 4 workers recycled, 10,000 requests, Valkey killed and restarted",
            "every event answered 200 arrives, once",
            f"{len(answered):,} answered 200, {lost} lost, {len(arrived - set(answered))} more arrived",
            not lost and len(answered) > 9_000,
        )


def away() -> Iterator[Finding]:
    """Valkey is away for the whole life of a process; it is back when the next one starts."""
    with rig() as system:
        system.kill_server()
        began = time.monotonic()
        run_program(system, "client = FeedbackClient()\nsend(client, 'a', 10_000)")
        lived_s = time.monotonic() - began
        system.server.start()
        began = time.monotonic()
        with started_program(system, "client = FeedbackClient()\ntime.sleep(60)"):
            eventually(lambda: system.books()["accepted"] >= 10_000)
        arrived = sorted(queued(system))
        yield Finding(
            "Valkey away for the life of a process that sends 10,000 events and exits",
            "the next process sends all 10,000, once",
            f"it lived {lived_s:.1f} s; {len(set(arrived)):,} arrived {time.monotonic() - began:.1f} s after the next "
            f"began, {len(arrived) - len(set(arrived))} twice",
            arrived == sent("a", count=10_000),
        )


def producer_killed() -> Iterator[Finding]:
    """Kill -9 of a producer at work, ten times each."""
    for mode, down in (("buffered", False), ("buffered", True), ("direct", False)):
        missing = [_missing_ms(mode, away=down) for _ in range(10)]
        limit_ms = 100.0 if mode == "buffered" else 0.0
        yield Finding(
            f"kill -9 of a producer, {mode}{', Redis away' if down else ''}",
            f"at most the last {limit_ms:.0f} ms missing",
            f"the last {', '.join(f'{ms:.0f}' for ms in sorted(missing))} ms",
            max(missing) <= limit_ms,
        )


def _missing_ms(mode: str, *, away: bool) -> float:
    """How long before the last event the first was sent that is missing."""
    with rig() as system:
        return max(kill_a_producer(system, mode, away=away, lines=2_000), default=0.0)


CASES: dict[str, Callable[[], Iterator[Finding]]] = {
    "threads": threads,
    "gunicorn": gunicorn,
    "away": away,
    "producer_killed": producer_killed,
}
