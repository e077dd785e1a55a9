"""THE STORY of a chaos run: everything runs, things go wrong one after the other, all becomes well, the books close."""

import heapq
import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from tests.chaos.checks import failures
from tests.chaos.evidence import Evidence, gather, leases_left
from tests.chaos.faults.kind import Kind
from tests.chaos.fleet import Fleet
from tests.chaos.history import History, Struck
from tests.chaos.logs import ending
from tests.chaos.plan import Planned, plan
from tests.chaos.producers import Producers
from tests.chaos.queues import queue_and_upstream
from tests.chaos.upstream import Upstream
from tests.chaos.world import World
from tests.support.waiting import eventually

SETTINGS = {
    "FORWARDER_REQUEST_TIMEOUT_S": "2",
    "FORWARDER_CONNECT_TIMEOUT_S": "2",
    "FORWARDER_REDIS_TIMEOUT_S": "1",
    "FORWARDER_BATCH_MAX_EVENTS": "50",
    "FORWARDER_CONCURRENCY_MAX": "8",
    "FORWARDER_PAUSE_MIN_S": "0.5",
    "FORWARDER_PAUSE_MAX_S": "2",
    "FORWARDER_RETRY_MAX_ATTEMPTS": "1000",
    "FORWARDER_POISON_AFTER": "1000",
}
"""Beside the rig's own: small batches, short waits, and so many tries that no event dies of the density of faults."""
WORKERS = 2
RATE = 500
"""Events per second."""
TICK_S = 0.05
LOG_LINES = 40
SETTLES_WITHIN_S = 300.0
"""Events go out a few at a time until the size that fits has grown back."""
WHOLE_WITHIN_S = 60.0
"""The supervisor starts a worker that died often again after half a minute."""

Watch = Callable[[World, History], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A chaos run that is over.

    Attributes:
        seed: gives the same faults again.
        history: the faults.
        evidence: what all who saw it know.
        failures: what is not as it must be.
        settled_s: seconds until nothing waited any more, once all was well.
        log: the last lines of what the workers logged.
    """

    seed: int
    history: History
    evidence: Evidence
    failures: list[str]
    settled_s: float
    log: str

    def __str__(self) -> str:
        faults = f"the faults of seed {self.seed}:\n{self.history}"
        return "\n".join([*self.failures, "", faults, "", f"the last lines of the log:\n{self.log}"])


def chaos(
    seed: int,
    seconds: float,
    folder: Path,
    *,
    kinds: Sequence[Kind],
    every_s: float,
    on_cluster: bool = False,
    watch: Watch = lambda _world, _history: None,
) -> Run:
    """Let things go wrong for a while, and look whether anything was lost.

    Args:
        seed: of all choices.
        seconds: during which faults begin.
        folder: for all files; a short path, and empty.
        kinds: of faults.
        every_s: seconds from one fault to the next, on average.
        on_cluster: whether the queue is on a cluster, and every acknowledged event with a replica.
        watch: called many times a second.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    planned = itertools.takewhile(lambda one: one.at_s < seconds, plan(dice, kinds, every_s))
    with everything_running(folder, seed, on_cluster=on_cluster) as world:
        history = History()
        try:
            inject(world, planned, history, watch)
            settled_s = settle(world)
        except Exception as error:
            error.add_note(f"chaos with seed {seed}:\n{history}")
            raise
        evidence = gather(world)
        wrong = [*world.broken, *failures(evidence)]
        log = ending(world.rig.log.read_text("utf-8", "replace"), LOG_LINES)
        return Run(seed, history, evidence, wrong, settled_s, log)


@contextmanager
def everything_running(folder: Path, seed: int, *, on_cluster: bool = False) -> Iterator[World]:
    """The queue, the sandbox, the workers and a producer; events flow."""
    with queue_and_upstream(folder, SETTINGS, on_cluster=on_cluster) as (rig, cluster):
        size = max(WORKERS, rig.settings.partitions_of("default"))
        world = World(rig, Fleet(rig, size), Producers(rig, seed, RATE), Upstream(rig.sandbox, seed), cluster)
        world.fleet.start()
        world.producers.start()
        try:
            assert eventually(lambda: rig.sandbox.counts(distinct=False)["events"]), rig.log.read_text()
            yield world
        finally:
            world.end()


def inject(world: World, planned: Iterable[Planned], history: History, watch: Watch) -> None:
    """Begin and end the faults at their times."""
    began = time.monotonic()
    order = itertools.count()
    agenda: list[tuple[float, int, Planned, Struck | None]] = [(one.at_s, next(order), one, None) for one in planned]
    heapq.heapify(agenda)
    held: set[str] = set()
    while agenda:
        at_s, _, one, struck = heapq.heappop(agenda)
        while (wait_s := began + at_s - time.monotonic()) > 0:
            world.look()
            watch(world, history)
            time.sleep(min(TICK_S, wait_s))
        now_s = time.monotonic() - began
        if struck:
            one.fault.end(world)
            struck.ended_at = time.time()
            held.remove(one.kind.held)
        elif one.kind.held not in held and (hit := one.fault.begin(world)):
            held.add(one.kind.held)
            history.struck.append(Struck(one.kind.name, hit, time.time()))
            heapq.heappush(agenda, (now_s + one.lasts_s, next(order), one, history.struck[-1]))
        elif now_s < one.at_s + one.kind.patience_s:
            heapq.heappush(agenda, (now_s + TICK_S, next(order), one, None))
        else:
            history.missed[one.kind.name] += 1


def settle(world: World) -> float:
    """All is well again: wait until nothing waits any more, then stop the workers; answers how long it took."""
    began = time.monotonic()
    if not world.producers.stop():
        world.broken.append("the producer did not stop when it was asked to")
    if not eventually(lambda: _is_quiet(world), SETTLES_WITHIN_S):
        world.broken.append(f"events still wait {SETTLES_WITHIN_S:g} s after all was well")
    settled_s = time.monotonic() - began
    if not eventually(lambda: _is_whole(world), WHOLE_WITHIN_S):
        world.broken.append(f"no workers run {WHOLE_WITHIN_S:g} s after all was well")
    if code := world.fleet.stop():
        world.broken.append(f"the supervisor ended with exit {code} after SIGTERM")
    eventually(lambda: not leases_left(world.rig), world.rig.settings.lease_ttl_s + 1)
    return settled_s


def _is_whole(world: World) -> bool:
    world.look()
    return world.is_whole


def _is_quiet(world: World) -> bool:
    world.look()
    try:
        books = world.rig.books()
    except RedisError:
        return False
    return not books.entries and not books["pending"]
