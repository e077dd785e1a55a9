"""How long an event is under way on an idle system: from before it is appended to its arrival at the upstream.

At the default settings a batch lingers, so that what counts is the time beyond that. Awake: a drain waits for events,
which come one by one, at odd moments. Asleep: the drain has ended, and its worker is idle.
"""

import math
import random
import time
from collections.abc import Iterator
from typing import Final

from forwarder import FeedbackClient
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.rq_keys import read_workers
from forwarder.queue.scripts import run
from tests.benchmarks.finding import Finding
from tests.benchmarks.peers.ours import WORKER
from tests.benchmarks.scene import Scene, scene
from tests.support.waiting import eventually

AWAKE: Final = 200
ASLEEP: Final = 20
LONGEST_S: Final = 30.0
"""For one event; and for the worker to start or to be idle again."""
SHORT_IDLE: Final = {"FORWARDER_DRAIN_IDLE_S": "0.3"}


def quantile(values: list[float], share: float) -> float:
    """The least of the values that this share of them does not exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def probes_ms(place: Scene, *, asleep: bool, count: int) -> list[float]:
    """How long each event took, after a first one that is not counted (ms)."""
    place.start(WORKER)
    took = []
    with FeedbackClient(mode="direct", settings=place.settings) as client:
        for number in range(count + 1):
            _wait(place, asleep=asleep and number > 0)
            began = time.monotonic()
            client.thumbs_up(f"trace-{number}")
            arrived = place.upstream.arrived(number + 1, LONGEST_S)
            assert arrived.events == number + 1, place.said
            took.append((arrived.last_s - began) * 1000)
    return took[1:]


def _wait(place: Scene, *, asleep: bool) -> None:
    """Until the drain sleeps; or a moment, so that the next event does not follow upon the last one's end."""
    if asleep:
        assert eventually(lambda: _sleeps(place), LONGEST_S)
    time.sleep(random.uniform(0.01, 0.06))  # noqa: S311 - no secret


def _sleeps(place: Scene) -> bool:
    workers = read_workers(place.client)
    return not run(place.client, snapshot(Keys())).drains and [one.state for one in workers] == ["idle"]


def findings() -> Iterator[Finding]:
    """With the drain awake, and asleep."""
    with scene() as place:
        yield _finding(place, "drain awake", probes_ms(place, asleep=False, count=AWAKE), p50=5, p99=25)
    with scene(SHORT_IDLE) as place:
        yield _finding(place, "drain asleep", probes_ms(place, asleep=True, count=ASLEEP), p50=40)


def _finding(place: Scene, case: str, took_ms: list[float], **most_ms: float) -> Finding:
    linger_ms = place.settings.batch_linger_ms
    beyond = {"p50": quantile(took_ms, 0.5) - linger_ms, "p99": quantile(took_ms, 0.99) - linger_ms}
    return Finding(
        f"appended → arrived, {case}, beyond the linger of {linger_ms} ms ({len(took_ms)} events)",
        ", ".join(f"{name} ≤ {most:g} ms" for name, most in most_ms.items()),
        ", ".join(f"{name} {ms:.1f} ms" for name, ms in beyond.items()),
        all(beyond[name] <= most for name, most in most_ms.items()),
    )
