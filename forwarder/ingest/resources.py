"""What one process holds while it serves: the client of Redis, a lane of group commits per kind of caller, the door."""

from functools import partial

from forwarder.ingest.auth import Caller, Door, callers
from forwarder.ingest.group_commit import GroupCommit, Memory
from forwarder.ingest.probes import Probes
from forwarder.ingest.store import QueueStore
from forwarder.queue.connection import connect_async
from forwarder.settings import Settings


class Resources:
    """Made in the loop that serves, given back when it ends.

    Args:
        settings: all that they are bound by.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = connect_async(settings)
        self._linger_s = settings.ingest_linger_ms / 1000
        self._store = QueueStore(settings, self._client)
        self._memory = Memory()
        self._lanes: dict[Caller, GroupCommit] = {}
        keys = [(digest, self._lane(caller)) for digest, caller in callers(settings)]
        self.door = Door(keys, None if keys else self._lane(Caller()))
        self.probes = Probes(settings, self._client)

    async def close(self) -> None:
        """Wait for what is under way, then let the connections go."""
        for lane in self._lanes.values():
            await lane.settled()
        await self._client.aclose()

    def _lane(self, caller: Caller) -> GroupCommit:
        """The lane of a caller; keys with the same ties share one."""
        if caller not in self._lanes:
            self._lanes[caller] = GroupCommit(partial(self._store.append, caller), self._linger_s, self._memory)
        return self._lanes[caller]
