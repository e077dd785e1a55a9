"""`make behaviour`: delivery in trouble, measured at the default settings: what is wanted, and what was measured."""

import asyncio
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from forwarder.errors import ForwarderError
from forwarder.settings import Settings
from tests.benchmarks import floors, producers, replays_killed, serving_killed
from tests.benchmarks.finding import Finding, table_of
from tests.support.rig import QUICK, Rig
from tests.support.waiting import eventually

BAD = -9


@contextmanager
def rig(**variables: str) -> Iterator[Rig]:
    """The whole system with the settings that users have."""
    defaults = {
        name: str(Settings.model_fields[field].default)
        for name in QUICK
        if (field := name.removeprefix("FORWARDER_").lower()) not in ("log_level", "log_format")
    }
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Rig(Path(folder), **defaults | variables) as started:
        yield started


def events(count: int, prefix: str, value: int = 1) -> list[dict[str, object]]:
    """Events of their own."""
    return [{"trace_id": f"{prefix}{number}", "value": value} for number in range(count)]


class Producer(threading.Thread):
    """Appends events at a steady rate until it is told to stop."""

    def __init__(self, system: Rig, per_s: int) -> None:
        super().__init__(daemon=True)
        self._client = system.client()
        self._per_tenth = per_s // 10
        self._stop_asked = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Ten appends a second."""
        began = time.monotonic()
        while not self._stop_asked.wait(max(0.0, began + self.sent / self._per_tenth / 10 - time.monotonic())):
            self.sent += self._client.send_many(events(self._per_tenth, f"steady{self.sent}-"))

    def stop(self) -> int:
        """Stop; how many events were appended."""
        self._stop_asked.set()
        self.join()
        return self.sent


def isolation() -> Iterator[Finding]:
    """Bad events in an array of 500, to an upstream that does not say which."""
    for bad, most in ((1, 21), (500, 60)):
        with rig() as system:
            system.sandbox.set_faults({"kind": "refuse", "field": "value", "equals": BAD, "name_index": False})
            good = 500 - bad
            system.client().send_many([*events(good // 2, "a"), *events(bad, "x", BAD), *events(good - good // 2, "b")])
            system.start_worker()
            books = system.settled()
            measured = f"{books['delivered']} delivered, {books.dead} dead letters, {books['requests']} requests"
            good_enough = books.dead == bad and books["requests"] <= most
            yield Finding(f"{bad} bad of 500", f"{bad} dead letters, at most {most} requests", measured, good_enough)


def capacity() -> Iterator[Finding]:
    """An upstream that takes ten requests at once, 50 ms each, and answers 429 beyond."""
    with rig(FORWARDER_BATCH_MAX_EVENTS="20") as system:
        system.sandbox.set_faults({"kind": "capacity", "limit": 10}, {"kind": "latency", "ms": 50})
        client = system.client()
        for number in range(6_000):  # small requests: the time is the latency, not the sandbox's work
            client.send_many(events(20, f"c{number}-"))
        floor = _floor_per_s(system, in_flight=10)
        for _ in range(2):
            system.start_worker()
        eventually(lambda: system.books()["delivered"])
        time.sleep(10)  # what is measured begins then
        before, began = system.sandbox.counts(distinct=False), time.monotonic()
        time.sleep(10)
        after, seconds = system.sandbox.counts(distinct=False), time.monotonic() - began
        batches = after["batches"] - before["batches"]
        refused = after["requests"] - before["requests"] - batches
        share, rate = refused / max(1, batches + refused), batches / seconds
        yield Finding(
            "capacity of 10 at 50 ms, two workers",
            ">= 90 % of a bare client with 10 in flight, <= 1 % answered 429",
            f"{rate:.0f} requests/s, the bare client {floor:.0f}: {rate / floor:.0%}; {share:.2%} answered 429",
            rate >= 0.9 * floor and share <= 0.01,
        )


def _floor_per_s(system: Rig, in_flight: int) -> float:
    """What the upstream really takes on this machine: ready-made bodies by a bare client that knows the limit."""
    body, requests = msgspec.json.encode(events(20, "floor")), 1_000
    began = time.monotonic()
    asyncio.run(floors.post_ready_made(f"{system.sandbox.url}/feedback/", body, requests, in_flight, "sandbox"))
    return requests / (time.monotonic() - began)


def outage() -> Iterator[Finding]:
    """The upstream is down for a minute while 2,000 events a second come in."""
    with rig() as system:
        system.start_worker()
        system.start_worker()
        producer = Producer(system, per_s=2_000)
        producer.start()
        eventually(lambda: system.books()["delivered"] > 4_000)
        before = system.sandbox.counts(distinct=False)["requests"]
        system.sandbox.set_faults({"kind": "status", "status": 503})
        time.sleep(60)  # the outage
        requests = system.sandbox.counts(distinct=False)["requests"] - before
        backlog = system.books()["pending"]
        system.sandbox.clear_faults()
        sent, ended = producer.stop(), time.monotonic()
        books = system.settled(180)
        yield Finding(
            "upstream down for 60 s, 2,000 events/s",
            "no dead letter, <= 30 requests meanwhile, all delivered",
            f"{books.dead} dead letters, {requests} requests, backlog {backlog:,}, {books['delivered']:,} of {sent:,} "
            f"delivered {time.monotonic() - ended:.0f} s later",
            books.dead == 0 and requests <= 30 and books["delivered"] == sent,
        )


def killed() -> Iterator[Finding]:
    """What a killed drain held is delivered by the next one."""
    for case in ("kill -9 of the horse", "kill -9 of horse and worker"):
        with rig() as system:
            system.sandbox.set_faults({"kind": "hang"})
            worker = system.start_worker()
            system.client().send_many(events(5_000, "t"))
            eventually(lambda: any(fault["applied"] for fault in system.sandbox.faults()))
            system.sandbox.clear_faults()
            for pid in [*system.horses(), *([worker.pid] if "worker" in case else [])]:
                system.kill(pid)
            began = time.monotonic()
            if "worker" in case:
                system.start_worker()
            eventually(lambda: system.books()["delivered"], 60)
            seconds = time.monotonic() - began
            system.settled(60)
            lost = 5_000 - system.sandbox.counts()["distinct_trace_ids"]
            yield Finding(f"{case}: delivered again", "within 30 s", f"{seconds:.1f} s, {lost} lost", seconds <= 30)


def stopped() -> Iterator[Finding]:
    """What a drain holds when its worker is asked to stop is sent by another worker; requests take half a second."""
    with rig() as system:
        system.sandbox.set_faults({"kind": "latency", "ms": 500})
        first = system.start_worker()
        system.client().send_many(events(100_000, "t"))
        eventually(lambda: system.said("drain_began"))
        system.start_worker()
        eventually(lambda: any(fault["applied"] > 2 for fault in system.sandbox.faults()))
        drains, began = system.said("drain_began"), time.monotonic()
        first.send_signal(signal.SIGTERM)
        eventually(lambda: system.said("drain_began") > drains or system.said("claimed"))
        seconds, code = time.monotonic() - began, first.wait(30)
        books = system.settled(60)
        counts = system.sandbox.counts()
        yield Finding(
            "SIGTERM: what it held is sent again",
            "within 2 s, nothing lost or sent twice",
            f"{seconds:.1f} s, exit {code}, {100_000 - counts['distinct_trace_ids']} lost, "
            f"{counts['duplicates']} twice, {books['ambiguous']} ambiguous",
            seconds <= 2 and not counts["duplicates"],
        )


def full() -> Iterator[Finding]:
    """Redis has no memory left, with a backlog on it and a worker at work; then it has again."""
    with rig() as system:
        worker = system.start_worker()
        system.client().send_many(events(200_000, "before"))
        system.redis.config_set("maxmemory", 1)
        try:
            system.client().send_many(events(1, "refused"))
            said = "nothing"
        except ForwarderError as error:
            said = str(error)
        began = time.monotonic()
        emptied = eventually(lambda: not system.books()["pending"], 60)
        seconds = time.monotonic() - began
        system.redis.config_set("maxmemory", 0)
        eventually(lambda: not system.redis.exists(system.keys.memory))
        system.client().send_many(events(1_000, "after"))
        books = system.settled(60)
        well = bool(emptied) and worker.poll() is None and books["delivered"] == 201_000
        wanted = "a clear error, the backlog drains, all is well again without a restart"
        yield Finding("maxmemory reached", wanted, f"producer: {said!r}; drained in {seconds:.1f} s, then well", well)


CASES: dict[str, Callable[[], Iterator[Finding]]] = {
    "isolation": isolation,
    "capacity": capacity,
    "outage": outage,
    "full": full,
    "killed": killed,
    "stopped": stopped,
    **producers.CASES,
    "ingest": serving_killed.ingest,
    "replay": replays_killed.replay,
}


def main(names: list[str]) -> int:
    """Run these cases, or all; 1 when something is not as wanted, 2 when there is no such case."""
    if unknown := [name for name in names if name not in CASES]:
        sys.stderr.write(f"{', '.join(unknown)}: no such case; there are {', '.join(CASES)}\n")
        return 2
    found = [finding for name in names or CASES for finding in CASES[name]()]
    Console(width=160).print(table_of("case", found))
    return 0 if all(finding.good for finding in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
