"""What can be known after a run, from all who saw it: the producers, the upstream, the queue, the machine, the logs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from forwarder.queue.audit import DeepAudit, deep_audit
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP
from forwarder.queue.ledger import Snapshot, total
from tests.chaos.journal import Sent, read_journals
from tests.chaos.logs import deaths, tracebacks
from tests.chaos.processes import command, marked
from tests.chaos.world import World
from tests.support.rig import Rig

REQUESTS_MAX = 100_000
"""The sandbox tells no more; a longer run has the figures of its last requests."""


@dataclass(frozen=True, slots=True)
class Left:
    """What must not be left behind.

    Attributes:
        pending: entries that some drain has read and nobody settled.
        leases: lease keys, a while after the workers were stopped.
        processes: that were started and still run.
    """

    pending: int = 0
    leases: Sequence[str] = ()
    processes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it.

    Attributes:
        sent: by the producers.
        arrived: how often each event is with the upstream, by trace id.
        letters: the dead letters.
        audits: the queue's own books, per partition.
        left: what was left behind.
        unexpected: tracebacks that nothing explains.
        deaths: exit statuses of the workers that died under their supervisor.
        requests: as the upstream saw them, the oldest first.
    """

    sent: Sent
    arrived: Mapping[str, int]
    letters: Sequence[DeadLetter]
    audits: Sequence[DeepAudit]
    left: Left = field(default_factory=Left)
    unexpected: Sequence[str] = ()
    deaths: Sequence[int] = ()
    requests: Sequence[Mapping[str, Any]] = ()

    @property
    def books(self) -> Snapshot:
        """Of all partitions, added up."""
        return total([audit.books for audit in self.audits])

    @property
    def dead(self) -> Counter[str]:
        """How often each event is a dead letter, by trace id."""
        return Counter(map(trace_of, self.letters))

    @property
    def duplicates(self) -> int:
        """Events that arrived again."""
        return sum(self.arrived.values()) - len(self.arrived)


def trace_of(letter: DeadLetter) -> str:
    """The trace id of a letter's event."""
    return str(msgspec.json.decode(letter.body)["trace_id"])


def gather(world: World) -> Evidence:
    """Ask everybody, once the workers were stopped."""
    rig = world.rig
    log = rig.log.read_text("utf-8", "replace")
    return Evidence(
        sent=read_journals(rig.folder),
        arrived=rig.sandbox.times_arrived(),
        letters=rig.dead(),
        audits=[deep_audit(rig.redis, keys) for keys in rig.partitions()],
        left=_left(world),
        unexpected=tracebacks(log),
        deaths=deaths(log),
        requests=rig.sandbox.requests(REQUESTS_MAX)[::-1],
    )


def leases_left(rig: Rig) -> list[str]:
    """The leases that are taken."""
    return [key for keys in rig.partitions() for key in keys.leases if rig.redis.exists(key)]


def _left(world: World) -> Left:
    rig = world.rig
    pending: list[Any] = [rig.redis.xpending(keys.events, GROUP) for keys in rig.partitions()]
    ours = marked("FORWARDER_DATA_DIR", rig.variables["FORWARDER_DATA_DIR"])
    return Left(
        sum(int(one["pending"]) for one in pending),
        leases_left(rig),
        [f"{process}: {command(process)}" for process in ours],
    )
