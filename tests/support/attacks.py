"""The attacks of one who can write to RQ's keys, each with what it does to a stock worker."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from tests.support.attacker import BOMB_BYTES, FAILING, HARMLESS, INFLATABLE, LEAVE, Attacker, drain


class Effect(Enum):
    """What an attack does to a stock worker."""

    RUNS = "runs the attacker's code, or calls out"
    KILLS = "ends the worker"
    SWELLS = "makes the worker's memory swell"


@dataclass(frozen=True)
class Attack:
    """One way in.

    Attributes:
        name: also the id of its job.
        effect: what it does to a stock worker.
        plant: plants it.
        stock: which stock worker: a `pickle` or `json` one, or a `pool`, or a `pool -S json`.
        early: whether a worker meets it when it starts, in its maintenance.
    """

    name: str
    effect: Effect
    plant: Callable[[Attacker, str], object]
    stock: str = "json"
    early: bool = False


@cache
def bomb() -> bytes:
    """A hundred megabytes in less than one."""
    return zlib.compress(b" " * BOMB_BYTES, 1)


def scheduled(at: Attacker, job: str) -> None:
    """A job that the worker's own scheduler takes."""
    at.plant(job, HARMLESS, status="scheduled", meta=at.gadget(job))
    at.register("scheduled", job)


def bomb_that_depends(at: Attacker, job: str) -> None:
    """A job that waits for an abandoned one, and is large."""
    at.abandon(job)
    at.plant(f"{job}-dependent", bomb(), status="deferred")
    at.redis.sadd(f"rq:job:{job}:dependents", f"{job}-dependent")


def forgotten_at_once(at: Attacker, job: str) -> None:
    """A job that fails, and whose failure is not to be kept, while somebody seems to run it."""
    at.redis.zadd(f"rq:executions:{job}", {"nobody": 9_999_999_999})
    at.enqueue(job, FAILING, failure_ttl="0")


def no_hash(at: Attacker, job: str) -> None:
    """A job that is a list."""
    at.redis.rpush(f"rq:job:{job}", "anything")
    at.push(job)


def no_registry(at: Attacker, job: str) -> None:
    """A job whose executions are a list."""
    at.redis.rpush(f"rq:executions:{job}", "anything")
    at.enqueue(job, HARMLESS)


def undecodable_worker(at: Attacker, job: str) -> None:
    """A worker whose name is no UTF-8."""
    at.redis.sadd(f"rq:workers:{at.queue}", undecodable(job))


def malformed_and_ready(at: Attacker, job: str) -> None:
    """A job without a status that RQ knows, which is due."""
    at.plant(job, HARMLESS, status="nope")
    at.register("ready", job)


def undecodable(job: str) -> bytes:
    """An id that is no UTF-8."""
    return job.encode() + b"\xff"


_RUNS, _KILLS, _SWELLS = Effect.RUNS, Effect.KILLS, Effect.SWELLS
ATTACKS: Final = (
    # code, by pickle
    Attack("pickle-in-data", _RUNS, lambda at, job: at.enqueue(job, zlib.compress(at.gadget(job))), "pickle"),
    Attack("pickle-in-meta", _RUNS, lambda at, job: at.enqueue(job, HARMLESS, meta=at.gadget(job)), "pickle"),
    Attack("pickle-in-result", _RUNS, lambda at, job: at.enqueue(job, HARMLESS, result=at.gadget(job)), "pickle"),
    Attack("pickle-abandoned", _RUNS, lambda at, job: at.abandon(job, meta=at.gadget(job)), "pool -S json", early=True),
    Attack("pickle-scheduled", _RUNS, scheduled, "pool", early=True),
    # code, by name
    Attack("os-system", _RUNS, lambda at, job: at.enqueue(job, ["os.system", None, [at.command(job)], {}])),
    Attack("eval", _RUNS, lambda at, job: at.enqueue(job, ["eval", None, [at.expression(job)], {}])),
    Attack("method-of-text", _RUNS, lambda at, job: at.enqueue(job, ["__mul__", "A" * 20, [1_000_000], {}])),
    Attack("success-callback", _RUNS, lambda at, job: at.enqueue(job, HARMLESS, success_callback_name=LEAVE)),
    Attack("failure-callback", _RUNS, lambda at, job: at.enqueue(job, FAILING, failure_callback_name=LEAVE)),
    Attack("abandoned-callback", _RUNS, lambda at, job: at.abandon(job, failure_callback_name=LEAVE), early=True),
    # requests
    Attack("success-webhook", _RUNS, lambda at, job: at.enqueue(job, HARMLESS, webhooks=at.webhook(job, "finished"))),
    Attack("failure-webhook", _RUNS, lambda at, job: at.enqueue(job, FAILING, webhooks=at.webhook(job, "failed"))),
    Attack("abandoned-webhook", _RUNS, lambda at, job: at.abandon(job, webhooks=at.webhook(job, "failed")), early=True),
    # memory
    Attack("bomb-in-data", _SWELLS, lambda at, job: at.enqueue(job, bomb())),
    Attack("bombs-elsewhere", _SWELLS, lambda at, job: at.enqueue(job, HARMLESS, **dict.fromkeys(INFLATABLE, bomb()))),
    Attack("bomb-that-depends", _SWELLS, bomb_that_depends, early=True),
    # what a worker meets outside of its horse, and RQ does not expect
    Attack("no-status", _KILLS, lambda at, job: at.enqueue(job, HARMLESS, status="nope")),
    Attack("no-date", _KILLS, lambda at, job: at.enqueue(job, HARMLESS, created_at="yesterday")),
    Attack("no-number", _KILLS, lambda at, job: at.enqueue(job, HARMLESS, result_ttl="soon")),
    Attack("no-text", _KILLS, lambda at, job: at.enqueue(job, HARMLESS, description=b"\xff")),
    Attack("deep-json", _KILLS, lambda at, job: at.enqueue(job, HARMLESS, retry_intervals="[" * 100_000)),
    Attack("no-intervals", _KILLS, lambda at, job: at.enqueue(job, FAILING, retries_left="1", retry_intervals="{}")),
    Attack("no-timeout", _KILLS, lambda at, job: at.enqueue(job, drain(1), timeout="")),
    Attack("forgotten-at-once", _KILLS, forgotten_at_once),
    Attack("no-hash", _KILLS, no_hash),
    Attack("no-registry", _KILLS, no_registry),
    Attack("undecodable-worker", _KILLS, undecodable_worker, early=True),
    Attack("no-id", _KILLS, lambda at, job: at.push(f"{job} {{}}")),
    Attack("undecodable-id", _KILLS, lambda at, job: at.push(undecodable(job))),
    Attack("undecodable-under-way", _KILLS, lambda at, job: at.push(undecodable(job), ":intermediate"), early=True),
    Attack("three-parts", _KILLS, lambda at, job: at.register("wip", f"{job}:x:y"), early=True),
    Attack("undecodable-execution", _KILLS, lambda at, job: at.register("wip", undecodable(job) + b":x"), early=True),
    Attack("malformed-and-ready", _KILLS, malformed_and_ready, early=True),
    Attack("undecodable-and-ready", _KILLS, lambda at, job: at.register("ready", undecodable(job)), early=True),
)
