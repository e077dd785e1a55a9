"""Group commit: requests that come in together share one append, and each is answered when its own events are stored.

A group begins with its first events and is stored when the linger is over, or when it holds as many events or bytes as
an append should have. An append of its own costs this process more CPU than all the rest of a request; shared by fifty
it costs almost nothing. Groups do not wait for each other, so that a slow append delays its own requests only.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from forwarder.errors import ForwarderError, QueueUnavailable
from forwarder.feedback import Members
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS

Store = Callable[[Members], Awaitable[None]]
"""Stores events as a whole or raises a ForwarderError: then nothing of them is known to be stored."""

WAITING_MAX_BYTES: Final = 128 * 1024 * 1024
"""Events in memory while their appends are under way; what comes beyond is refused."""

PARENTS_MAX: Final = 32
"""Spans that one append names, of those in which its events were handed over."""


class _Group:
    """Events that will share one append, and who waits for them."""

    __slots__ = ("bodies", "bytes", "events", "timer", "traceparents", "waiting")

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.timer = timer
        self.bodies: list[bytes] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.traceparents: tuple[str, ...] = ()
        self.events = 0
        self.bytes = 0

    def has_room(self, members: Members) -> bool:
        return (
            self.events + members.count <= CHUNK_MAX_EVENTS and self.bytes + len(members.joined) + 1 <= CHUNK_MAX_BYTES
        )


class GroupCommit:
    """The shared appends of one destination and source.

    Args:
        store: does an append.
        linger_s: longest wait for company.
        memory: how much may wait, shared by all of a process.
        destination: where the events go.
    """

    def __init__(self, store: Store, linger_s: float, memory: "Memory", destination: str = "default") -> None:
        self.destination = destination
        self._store = store
        self._linger_s = linger_s
        self._memory = memory
        self._loop = asyncio.get_running_loop()
        self._group: _Group | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def add(self, members: Members) -> asyncio.Future[None]:
        """Take events; the future is done when they are stored, or raises what kept them from it.

        Raises:
            QueueUnavailable: too much waits already.
        """
        self._memory.take(len(members.joined))
        group = self._group
        if group is not None and not group.has_room(members):
            self._commit()
            group = None
        if group is None:
            group = self._group = _Group(self._loop.call_later(self._linger_s, self._commit))
        group.bodies.append(members.joined)
        group.events += members.count
        group.bytes += len(members.joined) + 1  # the comma
        if members.traceparents:
            group.traceparents += members.traceparents
        stored = self._loop.create_future()
        group.waiting.append(stored)
        if group.events >= CHUNK_MAX_EVENTS:
            self._commit()
        return stored

    async def settled(self) -> None:
        """Wait until nothing is under way any more."""
        if self._group is not None:
            self._commit()
        await asyncio.gather(*self._under_way)

    def _commit(self) -> None:
        """Close the group, and have it stored."""
        group, self._group = self._group, None
        if group is not None:
            group.timer.cancel()
            task = self._loop.create_task(self._stored(group))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _stored(self, group: _Group) -> None:
        failure: BaseException | None = None
        try:
            await self._store(Members(b",".join(group.bodies), group.events, group.traceparents[:PARENTS_MAX]))
        except ForwarderError as error:
            failure = error
        except BaseException as error:  # a defect, or cancelled: whoever waits must not wait for ever
            failure = QueueUnavailable(f"the append ended early: {type(error).__name__}")
            raise
        finally:
            self._memory.give_back(group.bytes - len(group.bodies))
            for waiting in group.waiting:
                if waiting.done():  # its request is gone
                    continue
                if failure is None:
                    waiting.set_result(None)
                else:
                    waiting.set_exception(failure)


class Memory:
    """Counts the bytes that wait, and refuses to hold more than its bound."""

    def __init__(self, most: int = WAITING_MAX_BYTES) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            QueueUnavailable: that would be too many.
        """
        if self._held + size > self._most:
            raise QueueUnavailable(f"{self._held:,} bytes of events wait to be stored, and more would not fit")
        self._held += size

    def give_back(self, size: int) -> None:
        """Hold so many bytes less."""
        self._held -= size
