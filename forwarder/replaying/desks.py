"""The desks of all partitions of one destination: a replay is of one partition, for a page must move in one step."""

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.queue import dead_letters, replays
from forwarder.queue.connection import Client
from forwarder.queue.partitions import found
from forwarder.queue.replays import Record
from forwarder.replaying.desk import REPLAY_ID, SHOWN, Desk
from forwarder.settings import Settings


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
