"""Requests that share an append: who is in which group, and what each is told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from forwarder.errors import QueueFull, QueueUnavailable
from forwarder.feedback import Members
from forwarder.ingest.group_commit import GroupCommit, Memory
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS

ONE = Members(b"{}", 1)
LONG_S = 600.0
"""A linger that no test waits for."""


class Shelf:
    """Stores groups when it is told to."""

    def __init__(self) -> None:
        self.groups: list[Members] = []
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def store(self, members: Members) -> None:
        self.groups.append(members)
        self.asked.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure


def in_a_loop(test: Callable[[Shelf], Awaitable[None]]) -> Callable[[], None]:
    """The test with a shelf, in a loop of its own."""

    async def run() -> None:
        async with asyncio.timeout(20):
            await test(Shelf())

    def ran() -> None:
        asyncio.run(run())

    ran.__name__, ran.__doc__ = test.__name__, test.__doc__
    return ran


@in_a_loop
async def test_events_within_the_linger_share_one_append(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, 0, Memory())
    await asyncio.gather(*[commit.add(Members(b"%d" % number, 1)) for number in range(3)])
    assert shelf.groups == [Members(b"0,1,2", 3)]


@in_a_loop
async def test_nobody_is_answered_before_the_append(shelf: Shelf) -> None:
    shelf.open.clear()
    commit = GroupCommit(shelf.store, 0, Memory())
    stored = commit.add(ONE)
    await shelf.asked.wait()
    assert not stored.done()
    shelf.open.set()
    await stored


@in_a_loop
async def test_a_full_group_does_not_wait_for_the_linger(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, LONG_S, Memory())
    await asyncio.gather(*[commit.add(ONE) for _ in range(CHUNK_MAX_EVENTS)])
    assert [group.count for group in shelf.groups] == [CHUNK_MAX_EVENTS]


@in_a_loop
async def test_what_does_not_fit_begins_the_next_group_and_is_never_cut(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, LONG_S, Memory())
    many = Members(b"x", CHUNK_MAX_EVENTS - 1)
    large = Members(b"x" * CHUNK_MAX_BYTES, 1)
    huge = Members(b"y" * 10 * CHUNK_MAX_BYTES, 20 * CHUNK_MAX_EVENTS)
    waiting = [commit.add(members) for members in (many, ONE, large, ONE, huge)]
    await commit.settled()
    await asyncio.gather(*waiting)
    assert [group.count for group in shelf.groups] == [CHUNK_MAX_EVENTS, 1, 1, huge.count]


@in_a_loop
async def test_a_group_does_not_wait_for_one_that_is_slow(shelf: Shelf) -> None:
    shelf.open.clear()
    commit = GroupCommit(shelf.store, 0, Memory())
    stored = []
    for _ in range(2):
        stored.append(commit.add(ONE))
        await shelf.asked.wait()
        shelf.asked.clear()
    assert not any(one.done() for one in stored)
    shelf.open.set()
    await asyncio.gather(*stored)


@in_a_loop
async def test_all_of_a_group_are_told_that_it_failed_and_the_next_is_not(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, 0, Memory())
    shelf.failure = QueueFull("full")
    told = await asyncio.gather(*[commit.add(ONE) for _ in range(3)], return_exceptions=True)
    assert [type(each) for each in told] == [QueueFull] * 3
    shelf.failure = None
    await commit.add(ONE)


@in_a_loop
async def test_a_defect_leaves_nobody_waiting(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, 0, Memory())
    shelf.failure = ZeroDivisionError()
    stored = commit.add(ONE)
    with pytest.raises(QueueUnavailable, match="ZeroDivisionError"):
        await stored
    with pytest.raises(ZeroDivisionError):  # whoever settles hears of it
        await commit.settled()


@in_a_loop
async def test_who_has_gone_away_keeps_nobody_else_from_an_answer(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, 0, Memory())
    gone, stays = commit.add(ONE), commit.add(ONE)
    gone.cancel()
    await stays
    assert shelf.groups == [Members(b"{},{}", 2)], "what was given is stored all the same"


@in_a_loop
async def test_memory_is_bounded_and_given_back(shelf: Shelf) -> None:
    commit = GroupCommit(shelf.store, LONG_S, Memory(100))
    first = commit.add(Members(b"x" * 60, 1))
    with pytest.raises(QueueUnavailable, match="wait to be stored"):
        commit.add(Members(b"x" * 60, 1))
    await commit.settled()
    await first
    second = commit.add(Members(b"x" * 100, 1))
    await commit.settled()
    await second
