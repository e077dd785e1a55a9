"""Who is at work: RQ's workers as they register themselves, and the drains that hold a lease.

RQ's keys are read as what they are, hashes of text: who only looks need not have RQ installed, and nothing is decoded
that could be code.
"""

from typing import Any, Final

from msgspec import Struct

from forwarder.queue.connection import Client
from forwarder.queue.flow import Flow
from forwarder.queue.keys import Keys
from forwarder.queue.lease import PROMISED
from forwarder.queue.rq_keys import JOB, SHOWN_MAX, WORKER, Worker, read_workers, text

_EXECUTIONS: Final = f"{WORKER}{{}}:executions"


class WorkerSeen(Struct, frozen=True):
    """An RQ worker.

    Attributes:
        name: as RQ knows it.
        host: where it runs.
        pid: of its process there.
        state: `idle`, `busy`, `suspended`, `started`, …
        does: the job that it is at, in words; empty when it is at none.
        born: when it began, as RQ writes it (ISO 8601).
        heartbeat: when it was last heard of, likewise.
        jobs_done: jobs that ended well.
        jobs_failed: jobs that did not.
    """

    name: str
    host: str
    pid: int
    state: str
    does: str
    born: str
    heartbeat: str
    jobs_done: int
    jobs_failed: int


class DrainSeen(Struct, frozen=True):
    """A drain slot that is taken.

    Attributes:
        destination: of which.
        slot: its number.
        token: the drain's name; empty while a drain is awaited.
        share: requests that it may have in flight; None until it has reported.
        held: requests that it may have or has in flight, whichever is more; likewise.
        seen_ms: when it reported last (ms since 1970); likewise.
    """

    destination: str
    slot: int
    token: str
    share: int | None = None
    held: int | None = None
    seen_ms: int | None = None


def workers(client: Client) -> list[WorkerSeen]:
    """All registered workers that are not dead, by host and pid.

    Args:
        client: of the server where RQ lives.
    """
    found = [_seen(client, one) for one in read_workers(client) if not one.has_ended]
    return sorted(found, key=lambda one: (one.host, one.pid))


def drains(client: Client, keys: Keys, flow: Flow) -> list[DrainSeen]:
    """The drains of a destination, by slot."""
    tokens: Any = client.mget(keys.leases)
    return [_drain(keys, slot, token.decode(), flow) for slot, token in enumerate(tokens) if token]


def _seen(client: Client, one: Worker) -> WorkerSeen:
    return WorkerSeen(
        *(one.name, one.host, one.pid, one.state or "unknown", _jobs(client, one.name)),
        *(one.born, one.heartbeat, one.jobs_done, one.jobs_failed),
    )


def _jobs(client: Client, worker: str) -> str:
    """What it is at, in words; an execution is named `JOB:NUMBER`."""
    executions: Any = client.smembers(_EXECUTIONS.format(worker))
    return ", ".join(_described(client, text(one).rpartition(":")[0]) for one in executions)


def _described(client: Client, job_id: str) -> str:
    described: Any = client.hget(JOB + job_id, "description")
    return (text(described) if described else job_id)[:SHOWN_MAX]


def _drain(keys: Keys, slot: int, token: str, flow: Flow) -> DrainSeen:
    if token == PROMISED:
        return DrainSeen(keys.destination, slot, "")
    member = flow.members.get(token)
    if member is None:
        return DrainSeen(keys.destination, slot, token)
    return DrainSeen(keys.destination, slot, token, member.share, member.held, member.seen_ms)
