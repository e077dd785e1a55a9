"""What one process holds while it serves: the client of Redis, a lane of group commits per kind of caller, the door."""

import asyncio
from functools import partial

from forwarder.ingest.auth import Caller, Door, callers
from forwarder.ingest.group_commit import GroupCommit, Memory
from forwarder.ingest.probes import Probes
from forwarder.ingest.refusals import Refusals
from forwarder.ingest.spilling import Resender, SpillingStore
from forwarder.ingest.store import QueueStore
from forwarder.queue.connection import connect_async
from forwarder.settings import Settings
from forwarder.spill.file import spill_file


class Resources:
    """Made in the loop that serves, given back when it ends.

    Args:
        settings: all that they are bound by.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = connect_async(settings)
        self._linger_s = settings.ingest_linger_ms / 1000
        self._spill = spill_file(settings) if settings.ingest_spill else None
        self._store: QueueStore | SpillingStore = QueueStore(settings, self._client)
        self._resender: Resender | None = None
        if self._spill is not None:
            self._store = SpillingStore(settings, self._store, self._spill)
            self._resender = Resender(settings, self._spill)
            self._resender.start()
        self._memory = Memory()
        self._lanes: dict[Caller, GroupCommit] = {}
        keys = [(digest, self._lane(caller)) for digest, caller in callers(settings)]
        self.door = Door(keys, None if keys else self._lane(Caller()))
        self.probes = Probes(settings, self._client)
        self.refusals = Refusals(settings, self._client)

    async def close(self) -> None:
        """Wait for what is under way, then let the connections go."""
        for lane in self._lanes.values():
            await lane.settled()
        if self._resender is not None:
            await asyncio.to_thread(self._resender.end)
        await self.refusals.close()
        await self.probes.close()
        await self._client.aclose()

    def _lane(self, caller: Caller) -> GroupCommit:
        """The lane of a caller; keys with the same ties share one."""
        if caller not in self._lanes:
            store = partial(self._store.append, caller)
            self._lanes[caller] = GroupCommit(store, self._linger_s, self._memory, caller.destination)
        return self._lanes[caller]
