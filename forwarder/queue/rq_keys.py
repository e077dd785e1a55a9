"""What RQ's keys say of the workers, and of jobs that nobody will run. Read as plain data: RQ is not needed for it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from forwarder.queue.connection import Client

VERSION_FIELD: Final = "forwarder_version"
"""Of a worker's hash: our release, beside what RQ writes there."""
WORKER: Final = "rq:worker:"
WORKERS: Final = "rq:workers"
QUEUE: Final = "rq:queue:feedback"
JOB: Final = "rq:job:"
LISTENING: Final = "rq:workers:feedback"
"""RQ's set of the keys of the workers that listen on our queue."""
SILENT_AFTER_S: Final = 90.0
"""A worker that has not said for so long that it lives, does not; an idle one says it each second, a busy one in 30."""
SHOWN_MAX: Final = 200
"""Characters of what RQ's keys say; whoever may write there could write more."""
SCANS_MAX: Final = 100
"""Rounds through the keys of the server in search of jobs, 1,000 keys each: it may hold other things too."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker, as it registered.

    Attributes:
        name: its name.
        host: its machine.
        pid: its process there.
        state: `idle`, `busy`, `suspended`, `started`, …
        born: when it began, as RQ writes it (ISO 8601).
        heartbeat: when it was last heard of, likewise.
        silent_s: since then; None when it was never heard.
        jobs_done: jobs that ended well.
        jobs_failed: jobs that did not.
        has_ended: whether it said so itself.
        version: our release that it runs; empty for one from before releases were told.
    """

    name: str
    host: str
    pid: int
    state: str
    born: str
    heartbeat: str
    silent_s: float | None
    jobs_done: int
    jobs_failed: int
    has_ended: bool
    version: str


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job that no worker will run.

    Attributes:
        id: its name.
        how: in what way it was lost.
    """

    id: str
    how: str


def read_workers(control: Client) -> list[Worker]:
    """All workers that RQ knows, by name.

    Args:
        control: a client of the server where RQ lives.
    """
    keys: Any = control.smembers(WORKERS)
    names = sorted(key for key in keys if key.startswith(WORKER.encode()))
    hashes: list[dict[bytes, bytes]] = [control.hgetall(name) for name in names]  # type: ignore[misc] # an answer, no promise of one
    now_s = time.time()
    return [_worker(text(name), fields, now_s) for name, fields in zip(names, hashes, strict=True) if fields]


def _worker(key: str, fields: dict[bytes, bytes], now_s: float) -> Worker:
    def said(name: str) -> str:
        return text(fields.get(name.encode(), b""))[:SHOWN_MAX]

    def number(name: str) -> int:
        return int(said(name)) if said(name).isascii() and said(name).isdigit() else 0

    seen_s = seconds(said("last_heartbeat"))
    return Worker(
        name=key.removeprefix(WORKER),
        host=said("hostname"),
        pid=number("pid"),
        state=said("state"),
        born=said("birth"),
        heartbeat=said("last_heartbeat"),
        silent_s=None if seen_s is None else max(0.0, now_s - seen_s),
        jobs_done=number("successful_job_count"),
        jobs_failed=number("failed_job_count"),
        has_ended=b"death" in fields,
        version=said(VERSION_FIELD),
    )


def lost_jobs(control: Client, *, older_than_s: float) -> list[LostJob]:
    """Jobs that RQ has lost: it says that they wait or run, and nobody has them.

    Args:
        control: a client of the server where RQ lives.
        older_than_s: younger ones may be under way this moment.
    """
    waiting = _ids(control.lrange(QUEUE, 0, -1))
    taken = _ids(control.lrange(f"{QUEUE}:intermediate", 0, -1))
    workers = {worker.name for worker in read_workers(control)}
    lost = [
        LostJob(one, "it waits in the queue, and its job has expired")
        for one in sorted(waiting)
        if not control.exists(JOB + one)
    ]
    for one, fields in _jobs(control):
        since_s = seconds(text(fields.get(b"enqueued_at", b"")))
        if since_s is not None and time.time() - since_s < older_than_s:
            continue
        status, holder = fields.get(b"status"), text(fields.get(b"worker_name", b""))
        if status == b"queued" and one not in waiting:
            how = "a worker took it and died before it began" if one in taken else "it waits in no queue"
            lost.append(LostJob(one, how))
        elif status == b"started" and holder not in workers:
            lost.append(LostJob(one, "the worker that ran it is gone"))
    return lost


def _jobs(control: Client) -> Iterable[tuple[str, dict[bytes, bytes]]]:
    cursor = 0
    for _ in range(SCANS_MAX):
        reply: Any = control.scan(cursor, match=f"{JOB}*", count=1_000)
        cursor, keys = reply
        for key in keys:
            if control.type(key) == b"hash":
                fields: Any = control.hgetall(key)
                yield text(key).removeprefix(JOB), fields
        if not cursor:
            return


def _ids(reply: Any) -> set[str]:  # noqa: ANN401 - redis-py types a reply as all that any client could get
    return {text(one) for one in reply}


def text(said: bytes) -> str:
    """What a key of RQ says; never fails."""
    return said.decode("utf-8", "replace")


def seconds(moment: str) -> float | None:
    """A time as RQ writes it, in seconds since 1970; None when it is none."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None
