"""RQ's own workers fall to each way in, on a queue of its own: else it would prove nothing that ours shuts it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.attacked import RQ, lease_held, new_rig, start, url
from tests.support.attacker import Attacker
from tests.support.attacks import ATTACKS, Effect
from tests.support.rig import Rig

SWOLLEN_MB = 100
STOCK_WORKERS = """
import os, resource, sys
from redis import Redis
from rq import Worker
def work(url, serializer, queue):
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    redis = Redis.from_url(url)
    Worker([queue], connection=redis, serializer=serializer, job_monitoring_interval=1).work(burst=True)
    redis.hset("grew_mb", queue, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) // 1000)
    os._exit(0)
pids = [os.fork() or work(*sys.argv[1:3], queue) for queue in sys.argv[3:]]
for pid in pids:
    os.waitpid(pid, 0)
"""
"""One for each queue, each in a process of its own, each until its queue is empty."""
UNHARMED = "unharmed"


@dataclass(frozen=True)
class Fall:
    """What became of stock workers: the attacks that left a trace, the queues whose last job ran, growth by queue."""

    ran: set[str]
    outlived: set[str]
    grew_mb: dict[str, int]


def attack_stock_workers(rig: Rig, attacker: Attacker) -> Fall:
    """Each attack on a queue of its own, with one more job behind it."""
    plant_last_job(attacker, UNHARMED)
    for each in ATTACKS:
        attacker.queue = each.name
        each.plant(attacker, each.name)
        plant_last_job(attacker, each.name)
    with lease_held(rig):
        for process in [start(rig, command) for command in stock_commands(url(rig))]:
            process.wait(60)
    grew_mb: dict[bytes, bytes] = rig.redis.hgetall("grew_mb")  # type: ignore[assignment]
    return Fall(
        ran={each.name for each in ATTACKS if attacker.ran(each.name)},
        outlived={name for name in [UNHARMED, *(each.name for each in ATTACKS)] if attacker.ran(f"after-{name}")},
        grew_mb={queue.decode(): int(mb) for queue, mb in grew_mb.items()},
    )


def plant_last_job(attacker: Attacker, queue: str) -> None:
    job_id = f"after-{queue}"
    attacker.enqueue(job_id, ["os.system", None, [attacker.command(job_id)], {}])


def stock_commands(at: str) -> Iterator[list[str]]:
    queues = {stock: [each.name for each in ATTACKS if each.stock == stock] for stock in ("json", "pickle")}
    queues["json"].append(UNHARMED)
    yield from ([sys.executable, "-c", STOCK_WORKERS, at, stock, *queues[stock]] for stock in queues)
    pool = [RQ, "worker-pool", "--burst", "--url", at]
    yield from ([*pool, *each.stock.split()[1:], each.name] for each in ATTACKS if each.stock.startswith("pool"))


def test_stock_workers_fall_to_each(subtests: pytest.Subtests) -> None:
    with new_rig(FORWARDER_DRAIN_IDLE_S="2") as rig, Attacker(rig.redis, rig.folder, UNHARMED) as attacker:
        fall = attack_stock_workers(rig, attacker)
    with subtests.test("but not where nothing is planted"):
        assert UNHARMED in fall.outlived
        assert fall.grew_mb[UNHARMED] < SWOLLEN_MB
    for each in ATTACKS:
        with subtests.test(each.effect.value, way=each.name):
            fell = {
                Effect.RUNS: each.name in fall.ran,
                Effect.KILLS: each.name not in fall.outlived,
                Effect.SWELLS: fall.grew_mb.get(each.name, 0) > SWOLLEN_MB,
            }
            assert fell[each.effect]
