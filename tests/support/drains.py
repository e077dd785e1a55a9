"""Drains as the scripts see them."""

from forwarder.queue import in_flight, lease, settlement
from forwarder.queue.entry_ids import place
from forwarder.queue.in_flight import Claimed, Record
from forwarder.queue.keys import GROUP
from forwarder.queue.scripts import run
from forwarder.queue.settlement import Settled, Settlement
from forwarder.queue.stream import Entry
from tests.support.queue_steps import KEYS, Redis, books


class Someone:
    """A drain, as the scripts see it, that has its lease.

    Args:
        client: of the queue.
        slot: whose lease it takes.
        token: its name as a consumer.
    """

    def __init__(self, client: Redis, slot: int, token: str) -> None:
        self.client, self.slot, self.token = client, slot, token
        assert run(client, lease.keep(KEYS, slot, token, 60))

    def read(self, count: int = 100) -> list[Entry]:
        """What nobody has read yet."""
        reply = self.client.xreadgroup(GROUP, self.token, {KEYS.events: ">"}, count=count)
        return [Entry(entry_id, fields) for entry_id, fields in reply[0][1]] if reply else []

    def begin(self, batch: str, entries: list[Entry], attempts: int = 1, ambiguous: int = 0) -> bool:
        """Note that these are sent together; whether it may."""
        oldest = min(ids(entries), key=lambda entry_id: place(entry_id.decode()))
        record = Record(batch, ids(entries), len(entries), attempts, ambiguous, oldest)
        return run(self.client, in_flight.begin(KEYS, self.slot, self.token, [record]))[0]

    def claim(self, count: int = 100, *, suspects: bool = True) -> Claimed:
        """Take over what an ended drain held."""
        return run(self.client, in_flight.claim(KEYS, self.token, count, suspects=suspects))

    def settle(self, batch: str, entries: list[Entry], **tally: int) -> Settled:
        """Say that these have arrived, which ends their batch."""
        record = in_flight.record_field(self.token, batch) if batch else ""
        done = [Settlement(entry, 1) for entry in entries]
        return run(self.client, settlement.settle(KEYS, done, tally, records=[record] if record else []))

    def die(self) -> None:
        """Its lease runs out."""
        self.client.delete(KEYS.lease(self.slot))

    def leave(self, *, in_order: bool = True) -> None:
        """Give the lease back."""
        run(self.client, lease.leave(KEYS, self.slot, self.token, in_order=in_order))


def ids(entries: list[Entry]) -> list[bytes]:
    """Of these, in their order."""
    return [entry.id for entry in entries]


def ambiguous(client: Redis) -> int:
    """How many events may have arrived twice, by books that close."""
    return books(client)["ambiguous"]
