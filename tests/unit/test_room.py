import asyncio

import pytest

from tests.unit.samples import batch
from workers import room as rooms
from workers.room import LEAST, PER_PERMIT, Room
from workers.session import HandBack, Session


def new_session() -> Session:
    return Session("default", 0, "token", idle_s=5, longest_s=300)


async def is_let_in(room: Room) -> bool:
    """Whether one more batch finds room at once."""
    entering = asyncio.create_task(room.enter(batch(1)))
    for _ in range(3):
        await asyncio.sleep(0)
    entered = entering.done()
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    return entered


def test_twice_as_many_batches_as_may_be_in_flight_are_held_and_two_at_least() -> None:
    async def held(share: int) -> int:
        room, entered = Room(new_session(), lambda: share), 0
        while await is_let_in(room):
            entered += 1
        return entered

    assert asyncio.run(held(0)) == LEAST
    assert asyncio.run(held(5)) == 5 * PER_PERMIT


def test_who_leaves_makes_room_for_the_next() -> None:
    async def run() -> None:
        session = new_session()
        room, first = Room(session, lambda: 1), batch(1)
        await room.enter(first)
        await room.enter(batch(1))
        assert session.in_flight == 2
        waiting = asyncio.create_task(room.enter(batch(1)))
        await asyncio.sleep(0)
        assert not waiting.done()
        room.leave(first)
        await waiting
        assert session.in_flight == 2

    asyncio.run(run())


def test_a_batch_that_rests_keeps_no_fresh_one_out_but_its_bytes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        room = Room(new_session(), lambda: 1)
        held = [batch(1), batch(1)]
        for one in held:
            await room.enter(one)
        assert not await is_let_in(room)
        async with room.resting():
            monkeypatch.setattr(rooms, "BYTES_MAX", 2 * len(batch(1).body))
            assert not await is_let_in(room), "no more bytes than that"
            monkeypatch.setattr(rooms, "BYTES_MAX", 3 * len(batch(1).body))
            assert await is_let_in(room)
        assert not await is_let_in(room)

    asyncio.run(run())


def test_batches_that_rest_are_bounded_in_number_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(rooms, "HELD_MAX", 1)
        room, first = Room(new_session(), lambda: 5), batch(1)
        await room.enter(first)
        async with room.resting():
            assert not await is_let_in(room)
        room.leave(first)
        assert await is_let_in(room)

    asyncio.run(run())


def test_a_batch_too_large_for_any_room_comes_in_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(rooms, "BYTES_MAX", 1)
        room, first = Room(new_session(), lambda: 5), batch(1)
        await room.enter(first)
        assert not await is_let_in(room)
        room.leave(first)
        assert await is_let_in(room)

    asyncio.run(run())


def test_who_waits_for_room_learns_that_the_session_is_over() -> None:
    async def run() -> None:
        session = new_session()
        room = Room(session, lambda: 1)
        for _ in range(LEAST):
            await room.enter(batch(1))
        asyncio.get_running_loop().call_soon(session.end, "stop")
        with pytest.raises(HandBack):
            await room.enter(batch(1))

    asyncio.run(run())
