"""What drains hold: the batches that they are sending, and how the next drain takes them over.

Before a batch is sent its record is written: attempts, members, what may have arrived already. A drain that ends leaves
its entries pending under its name; the next one claims them batch by batch, so that each keeps its members, its
Idempotency-Key, its attempts and its age, whether its drain ended in order or was killed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import Argument, Step
from forwarder.queue.stream import Entry, entry_of

SUSPICIOUS_AFTER: Final = 3
"""An entry that was handed out more often, and never settled, is handed out alone: it may be what kills drains."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was taken over in one step.

    Attributes:
        entries: of one batch, or entries that were never sent, or one suspect; empty when there was nothing.
        batch: the id of the batch; empty when the entries are to be coalesced anew.
        attempts: to send that batch, so far.
    """

    entries: list[Entry] = field(default_factory=list)
    batch: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A batch that is about to be sent.

    Attributes:
        batch: its id.
        entry_ids: its members.
        events: in all of them.
        attempts: to send it, this one included.
        ambiguous: events of it that former attempts may have delivered, added up over the attempts.
        oldest: the oldest of its members.
    """

    batch: str
    entry_ids: Sequence[bytes]
    events: int
    attempts: int
    ambiguous: int
    oldest: bytes


def begin(keys: Keys, slot: int, token: str, records: Sequence[Record]) -> Step[list[bool]]:
    """Note that batches are about to be sent; False for one that must not be: it was lost, or the lease."""
    args: list[Argument] = [token, GROUP]
    for record in records:
        value = b"%d %d %d %b" % (record.attempts, record.ambiguous, record.events, b",".join(record.entry_ids))
        args += [record.batch, value, record.oldest]
    step_keys = [keys.lease(slot), keys.batches, keys.events]
    return Step("begin", step_keys, args, lambda reply: [bool(one) for one in reply])


def record_field(token: str, batch: str) -> str:
    """Where the record of a batch is kept."""
    return f"{token}/{batch}"


def claim(keys: Keys, token: str, count: int, *, suspects: bool) -> Step[Claimed]:
    """Take over one batch, or at most `count` entries that no drain had begun to send.

    Args:
        keys: the partition.
        token: of the drain that takes over.
        count: most entries, when they are of no batch.
        suspects: whether it may be handed one suspect, when there is nothing else.
    """
    keys_used = [keys.events, keys.batches, keys.ledger, *keys.leases]
    return Step("claim", keys_used, [GROUP, token, count, SUSPICIOUS_AFTER, int(suspects)], _read_claimed)


def _read_claimed(reply: list[Any]) -> Claimed:
    batch, attempts, entries = reply
    read = [entry_of((entry_id, fields), int(times)) for entry_id, fields, times in entries]
    return Claimed(read, batch.decode(), int(attempts))
