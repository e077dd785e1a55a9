"""The desks of all partitions of one destination: a replay is of one partition, for a page must move in one step."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from forwarder.queue import dead_letters, replays
from forwarder.queue.connection import Client
from forwarder.queue.partitions import found
from forwarder.queue.replays import Record
from forwarder.replaying.desk import REPLAY_ID, SHOWN, Desk
from forwarder.settings import Settings

_ADDED = ("dead", "seen", "matched", "moved", "kept", "spent", "gone", "delivered", "died")


@dataclass(frozen=True, slots=True)
class Desks:
    """One per partition.

    Attributes:
        each: at least one.
    """

    each: Sequence[Desk]

    @classmethod
    def of(cls, client: Client, settings: Settings, destination: str) -> "Desks":
        """Those of a destination; raises when it is not configured."""
        settings.upstream(destination)
        partitions = found(client, settings, destination)
        return cls([Desk(client, settings, destination, keys.partition) for keys in partitions])

    @property
    def busy(self) -> Sequence[Desk]:
        """Those of partitions with dead letters; the first when there are none at all."""
        if len(self.each) == 1:
            return self.each
        return [desk for desk in self.each if dead_letters.count(desk.client, desk.keys)] or self.each[:1]

    def with_replay(self, replay_id: str) -> Desk:
        """Where a replay is known; the first when it is nowhere, which says so."""
        if len(self.each) > 1 and REPLAY_ID.fullmatch(replay_id):
            for desk in self.each:
                if replays.get(desk.client, desk.keys, replay_id):
                    return desk
        return self.each[0]

    def newest(self, limit: int = SHOWN) -> list[Record]:
        """The replays that began last, the newest first."""
        records = [record for desk in self.each for record in desk.newest(limit)]
        return sorted(records, key=lambda record: -record.began)[:limit]


def added_up(records: Sequence[Record]) -> Record:
    """One account of replays that were begun together."""
    if len(records) == 1:
        return records[0]
    counts = {name: sum(getattr(record, name) for record in records) for name in _ADDED}
    examples = [one for record in records for one in msgspec.json.decode(record.examples)]
    unfinished = next((record for record in records if record.state != "done"), records[0])
    note = "; ".join(filter(None, [unfinished.note, f"replays {', '.join(record.id for record in records)}"]))
    return replace(unfinished, id=records[0].id, note=note, examples=msgspec.json.encode(examples).decode(), **counts)
