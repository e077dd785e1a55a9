"""Each check is a pure function of the facts; `judge` runs them all, in the order in which they are read."""

from collections.abc import Callable, Iterator

from forwarder.doctor.checks import machine, queue, server, upstream
from forwarder.doctor.facts import Facts
from forwarder.doctor.finding import Finding
from forwarder.queue.rights import Role

CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    machine.settings,
    machine.env_file,
    machine.data_folder,
    machine.key_files,
    server.reachable,
    server.version,
    server.role,
    server.eviction,
    server.persistence,
    server.durability,
    server.memory,
    server.clock,
    server.latency,
    queue.workers,
    queue.releases,
    queue.lost_jobs,
    queue.books,
    queue.backlog,
    queue.leases,
    queue.pending,
    queue.pause,
    upstream.plaintext,
    upstream.answer,
    upstream.certificate,
)


def judge(facts: Facts, role: Role | None = None) -> list[Finding]:
    """All findings.

    Args:
        facts: as they were gathered.
        role: which of our programs this user is for; None: as its name says, if it does.
    """
    found = [finding for check in CHECKS for finding in check(facts)]
    return [*found, *queue.rights(facts, role)]
