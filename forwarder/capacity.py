"""How many workers, how much Redis: computed from what an event costs, as it was measured (pure).

The costs are those of `python -m tests.benchmarks.capacity` on two cores of an AMD EPYC with Python 3.11 and Valkey 9.1
with an append-only file, the dearer of two runs: its cores ran at about half of their usual speed, so that the CPU is
on the safe side. Elsewhere run it and scale by what it prints.

An event costs a part for itself and a part per byte; those that come alone, by plain XADD, cost more than those that
come as arrays, as our clients send them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from forwarder.queue.caps import Caps
from forwarder.queue.keys import PARTITIONS, SLOTS
from forwarder.settings import Settings

BUSY: Final = 0.7
"""Of a core, the part that is planned with: what is fuller waits too long when there is a burst."""
PARTITIONS_PER_NODE: Final = 2
"""So that slots spread over a cluster's nodes, and still do when it grows."""
CLUSTER_LEAST: Final = 3
"""Primaries, of which two can agree that the third is away."""
BASE_BYTES: Final = 32 * 2**20
"""Redis without events: itself, buffers of connections, what RQ keeps, traces of appends of the last hour."""
DEFAULT_DRAINS: Final[int] = Settings.model_fields["max_drains"].default


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one event: a part for itself and a part per byte of its JSON.

    Attributes:
        worker_us: CPU microseconds of a worker.
        worker_us_per_byte: likewise.
        redis_us: CPU microseconds of Redis, from append to delivery.
        redis_us_per_byte: likewise.
        memory: bytes in Redis, besides the event's own.
        memory_per_byte: bytes in Redis per byte of the event.
    """

    worker_us: float
    worker_us_per_byte: float
    redis_us: float
    redis_us_per_byte: float
    memory: float
    memory_per_byte: float


ARRAYS: Final = Cost(2.7, 0.0070, 1.0, 0.0058, 1.8, 1.003)
SINGLES: Final = Cost(8.9, 0.0028, 17.1, 0.0139, 11.9, 1.015)


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be carried.

    Attributes:
        rate: events per second, above 0, as they come in the busiest hour.
        event_bytes: of one event's JSON.
        latency_s: of a request to the upstream.
        outage_s: of the upstream, which the queue is to hold.
        catch_up_s: in which the backlog is to be gone again.
        batch_events, batch_bytes: FORWARDER_BATCH_MAX_EVENTS and _BYTES.
        singles: whether events come one to an entry.
    """

    rate: float
    event_bytes: int
    latency_s: float
    outage_s: float
    catch_up_s: float
    batch_events: int = 500
    batch_bytes: int = 1_048_576
    singles: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """What carries it.

    Attributes:
        per_worker: events per second of one worker on a core of its own, with room for bursts.
        workers: so many, so that they also catch up in time.
        requests_at_once: that must be in flight to the upstream, while catching up.
        batch_events: events in a full request.
        requests_per_s: while catching up.
        redis_cores: of Redis, used while catching up.
        nodes: primaries that Redis needs: one, or a cluster of so many.
        partitions: FORWARDER_PARTITIONS.
        backlog_events: after the outage.
        redis_bytes: for that backlog: `maxmemory` of all primaries together.
        max_drains: FORWARDER_MAX_DRAINS, so that every worker may drain.
        backlog_max_events: FORWARDER_BACKLOG_MAX_EVENTS, so that the backlog is taken.
    """

    per_worker: float
    workers: int
    requests_at_once: int
    batch_events: int
    requests_per_s: float
    redis_cores: float
    nodes: int
    partitions: int
    backlog_events: int
    redis_bytes: int
    max_drains: int
    backlog_max_events: int

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def plan(demand: Demand, *, memory_max_percent: int = 90) -> Capacity:
    """What a demand takes; all of it while the backlog of an outage is caught up with."""
    cost = SINGLES if demand.singles else ARRAYS
    worker_us = cost.worker_us + cost.worker_us_per_byte * demand.event_bytes
    redis_us = cost.redis_us + cost.redis_us_per_byte * demand.event_bytes
    stored = cost.memory + cost.memory_per_byte * demand.event_bytes
    backlog = math.ceil(demand.rate * demand.outage_s)
    peak = demand.rate + backlog / demand.catch_up_s
    per_worker = BUSY * 1e6 / worker_us
    workers = math.ceil(peak / per_worker)
    batch = max(1, min(demand.batch_events, demand.batch_bytes // (demand.event_bytes + 1)))
    redis_cores = peak * redis_us / 1e6
    nodes = 1 if redis_cores <= BUSY else max(CLUSTER_LEAST, math.ceil(redis_cores / BUSY))
    return Capacity(
        per_worker=per_worker,
        workers=workers,
        requests_at_once=math.ceil(peak / batch * demand.latency_s),
        batch_events=batch,
        requests_per_s=peak / batch,
        redis_cores=redis_cores,
        nodes=nodes,
        partitions=1 if nodes == 1 else min(PARTITIONS, nodes * PARTITIONS_PER_NODE),
        backlog_events=backlog,
        redis_bytes=math.ceil((BASE_BYTES + backlog * stored) * 100 / memory_max_percent),
        max_drains=min(SLOTS, max(DEFAULT_DRAINS, workers)),
        backlog_max_events=max(Caps().backlog_max_events, math.ceil(backlog * 1.2)),
    )
