"""A case of `make behaviour`: kill -9 of a background replay, ten times, at moments that follow from a seed."""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from forwarder.dead.selection import Selection
from forwarder.queue import dead_letters
from forwarder.queue.replays import Record
from forwarder.replaying.desk import Desk
from forwarder.replaying.plan import Plan
from tests.benchmarks.finding import Finding
from tests.support.letters import bury
from tests.support.rig import Rig
from tests.support.waiting import eventually

LETTERS = 400_000
KILLS = 10
LONGEST_S = 0.25
"""The latest moment of a kill, after letters have begun to move: so short that some are left for the last."""
WITHIN_S = 60.0

Worker = subprocess.Popen[bytes]


class _Event(msgspec.Struct):
    trace_id: str


def replay() -> Iterator[Finding]:
    """Every letter is dead or on the queue, and once, after each kill and in the end."""
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    chance = random.Random(seed)  # noqa: S311 - repeatable
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Rig(Path(folder)) as system:
        bury(system.redis, LETTERS, apart=True)
        system.redis.hset(system.keys.pause, mapping={"reason": "what moves is counted", "kind": "hand", "since": 1})
        desk = Desk(system.redis, system.settings, "default")
        record = desk.begin(Plan(Selection()), by="us", trace_ids={}, background=True)
        system.start_worker()
        for number in range(1, KILLS + 1):
            delay_s, worker_too = chance.uniform(0, LONGEST_S), chance.random() < 0.5
            worker = _killed(system, desk, record, delay_s, worker_too=worker_too)
            who = "horse and worker" if worker_too else "horse"
            case = f"{number}. kill -9 of {who}, {delay_s * 1000:.0f} ms into it (SEED={seed})"
            yield _finding(system, desk.get(record.id), case, state="running")
            _go_on(system, worker, worker_too=worker_too)
        eventually(lambda: not desk.get(record.id).active, WITHIN_S)
        yield _finding(
            system, desk.get(record.id), f"{LETTERS:,} letters after {KILLS} kills, at the end", state="done"
        )


def _killed(system: Rig, desk: Desk, record: Record, delay_s: float, *, worker_too: bool) -> Worker:
    """Some time after letters begin to move; a worker that lives on stands still, so that they can be counted."""
    before = desk.get(record.id).moved
    eventually(lambda: desk.get(record.id).moved > before, WITHIN_S)
    time.sleep(delay_s)  # the random moment
    (worker,) = system.workers
    horses = system.horses()
    worker.send_signal(signal.SIGKILL if worker_too else signal.SIGSTOP)
    for pid in horses:
        system.kill(pid)
    eventually(lambda: not any(map(_runs, horses)))
    return worker


def _go_on(system: Rig, worker: Worker, *, worker_too: bool) -> None:
    if worker_too:
        worker.wait()
        system.workers.remove(worker)
        system.start_worker()
    else:
        worker.send_signal(signal.SIGCONT)


def _runs(pid: int) -> bool:
    """Whether a process still does anything; one that is not waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _finding(system: Rig, record: Record, case: str, *, state: str) -> Finding:
    queued, dead = _on_queue(system), _dead(system)
    everywhere = len({*queued, *dead})
    twice = len(queued) + len(dead) - everywhere
    closes = all(line.closes for line in system.books().lines)
    books = "the books close" if closes else "the books DO NOT close"
    return Finding(
        case,
        "none lost, none twice, books close",
        f"{record.moved:,} moved, {LETTERS - everywhere} lost, {twice} twice, {books}",
        (everywhere, twice, record.moved, record.gone, record.state) == (LETTERS, 0, len(queued), 0, state) and closes,
    )


def _on_queue(system: Rig) -> list[str]:
    """The trace ids on the queue, as often as they are there."""
    bodies = msgspec.json.Decoder(list[_Event] | _Event)
    found: list[str] = []
    start = "-"
    while page := _entries(system, start):
        for entry_id, fields in page:
            events = bodies.decode(fields[b"body"])
            found += [event.trace_id for event in (events if isinstance(events, list) else [events])]
            start = f"({entry_id.decode()}"
    return found


def _entries(system: Rig, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    page: Any = system.redis.xrange(system.keys.events, start, count=100)
    return list(page)


def _dead(system: Rig) -> list[str]:
    event = msgspec.json.Decoder(_Event)
    return [event.decode(letter.body).trace_id for letter in dead_letters.scan(system.redis, system.keys)]
