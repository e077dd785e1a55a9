import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.permits import Permits


class Holder:
    """A task that takes a permit and keeps it until it is let go."""

    def __init__(self, permits: Permits, order: list["Holder"]) -> None:
        self._permits = permits
        self._order = order
        self._let_go = asyncio.Event()
        self.holds = False
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self._permits:
            self.holds = True
            self._order.append(self)
            try:
                await self._let_go.wait()
            finally:
                self.holds = False

    def let_go(self) -> None:
        self._let_go.set()


class Hall:
    """Permits and those who want them."""

    def __init__(self, limit: int) -> None:
        self.permits = Permits(limit)
        self.order: list[Holder] = []
        self.holders: list[Holder] = []

    def enter(self) -> Holder:
        holder = Holder(self.permits, self.order)
        self.holders.append(holder)
        return holder

    async def enter_all(self, count: int) -> list[Holder]:
        entered = [self.enter() for _ in range(count)]
        await self.settle()
        return entered

    async def settle(self) -> None:
        """Let everybody run who can; more rounds than a chain of wake-ups is long."""
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def holding(self) -> int:
        return sum(holder.holds for holder in self.holders)

    async def close(self) -> None:
        for holder in self.holders:
            holder.task.cancel()
        ends = await asyncio.gather(*(holder.task for holder in self.holders), return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)


def in_hall(limit: int, scene: Callable[[Hall], Coroutine[Any, Any, None]]) -> None:
    """Play a scene, and see that in the end no permit is lost."""

    async def run() -> None:
        hall = Hall(limit)
        await scene(hall)
        await hall.close()
        assert (hall.permits.in_use, hall.permits.waiting) == (0, 0)

    asyncio.run(run())


@pytest.mark.parametrize("limit", [0, 1, 3, 10])
def test_no_more_than_the_limit_are_in_use(limit: int) -> None:
    async def scene(hall: Hall) -> None:
        await hall.enter_all(10)
        assert hall.holding == hall.permits.in_use == limit
        assert hall.permits.waiting == 10 - limit

    in_hall(limit, scene)


def test_who_came_first_is_served_first() -> None:
    async def scene(hall: Hall) -> None:
        holders = await hall.enter_all(5)
        for holder in holders:
            holder.let_go()
            await hall.settle()
        assert hall.order == holders

    in_hall(1, scene)


def test_nobody_passes_those_who_wait_even_when_a_permit_has_just_come_back() -> None:
    async def scene(hall: Hall) -> None:
        first, second = await hall.enter_all(2)
        first.let_go()
        late = hall.enter()
        await hall.settle()
        assert (second.holds, late.holds) == (True, False)

    in_hall(1, scene)


def test_a_higher_limit_lets_so_many_more_in_at_once() -> None:
    async def scene(hall: Hall) -> None:
        holders = await hall.enter_all(5)
        hall.permits.limit = 3
        assert hall.permits.in_use == 3
        await hall.settle()
        assert [holder.holds for holder in holders] == [True, True, True, False, False]

    in_hall(1, scene)


def test_a_lower_limit_takes_nothing_away_and_gives_nothing_until_enough_came_back() -> None:
    async def scene(hall: Hall) -> None:
        holders = await hall.enter_all(5)
        hall.permits.limit = 1
        await hall.settle()
        assert hall.holding == 3
        for holder, holding in zip(holders, [2, 1, 1, 1, 0], strict=True):
            holder.let_go()
            await hall.settle()
            assert hall.holding == holding

    in_hall(3, scene)


def test_a_limit_of_nought_blocks_all_until_it_is_raised() -> None:
    async def scene(hall: Hall) -> None:
        held, waiting = await hall.enter_all(2)
        hall.permits.limit = 0
        held.let_go()
        await hall.settle()
        assert (hall.holding, hall.permits.in_use) == (0, 0)
        hall.permits.limit = 1
        await hall.settle()
        assert waiting.holds

    in_hall(1, scene)


def test_who_is_cancelled_while_waiting_leaves_the_queue_to_the_others() -> None:
    async def scene(hall: Hall) -> None:
        first, second, third = await hall.enter_all(3)
        second.task.cancel()
        await hall.settle()
        assert hall.permits.waiting == 1
        first.let_go()
        await hall.settle()
        assert (second.holds, third.holds) == (False, True)

    in_hall(1, scene)


def test_a_permit_given_to_one_who_is_cancelled_in_the_same_moment_goes_to_the_next() -> None:
    async def scene(hall: Hall) -> None:
        _, second, third = await hall.enter_all(3)
        hall.permits.limit = 2
        second.task.cancel()
        await hall.settle()
        assert (second.holds, third.holds) == (False, True)
        assert hall.permits.in_use == 2

    in_hall(1, scene)


def test_a_permit_that_comes_free_just_after_a_cancellation_goes_to_the_next() -> None:
    async def scene(hall: Hall) -> None:
        _, second, third = await hall.enter_all(3)
        second.task.cancel()
        hall.permits.limit = 2
        await hall.settle()
        assert (second.holds, third.holds) == (False, True)
        assert hall.permits.in_use == 2

    in_hall(1, scene)


def test_who_is_cancelled_inside_gives_the_permit_back() -> None:
    async def scene(hall: Hall) -> None:
        first, second = await hall.enter_all(2)
        first.task.cancel()
        await hall.settle()
        assert (first.holds, second.holds) == (False, True)

    in_hall(1, scene)


def test_who_fails_inside_gives_the_permit_back() -> None:
    async def scene(hall: Hall) -> None:
        with pytest.raises(ZeroDivisionError):
            async with hall.permits:
                raise ZeroDivisionError
        assert hall.permits.in_use == 0

    in_hall(1, scene)


def test_a_wait_that_is_closed_with_its_coroutine_takes_no_permit() -> None:
    async def scene(hall: Hall) -> None:
        entering = hall.permits.__aenter__()
        entering.send(None)
        assert hall.permits.waiting == 1
        entering.close()
        assert hall.permits.waiting == 0

    in_hall(0, scene)


def test_the_peak_is_the_most_since_it_was_last_asked() -> None:
    async def scene(hall: Hall) -> None:
        holders = await hall.enter_all(3)
        for holder in holders[:2]:
            holder.let_go()
        await hall.settle()
        assert [hall.permits.take_peak(), hall.permits.take_peak()] == [3, 1]
        await hall.enter_all(1)
        assert [hall.permits.take_peak(), hall.permits.take_peak()] == [2, 2]

    in_hall(5, scene)


@given(st.lists(st.tuples(st.sampled_from(["enter", "let go", "cancel", "limit", "run"]), st.integers(0, 9))))
def test_whatever_happens_all_that_is_free_is_given_in_order_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    """Between most steps nobody runs, so that they meet in the same moment; `run` lets all run."""

    async def scene(hall: Hall) -> None:
        for step, number in [*steps, ("run", 0)]:
            if step == "enter":
                hall.enter()
                await asyncio.sleep(0)  # it stands in line from now on
            elif step == "limit":
                hall.permits.limit = number
            elif step == "run":
                await hall.settle()
                waiting = [holder for holder in hall.holders if not holder.task.done() and not holder.holds]
                assert hall.permits.in_use == hall.holding
                assert hall.permits.waiting == len(waiting)
                assert not waiting or hall.holding >= hall.permits.limit
                assert hall.order == sorted(hall.order, key=hall.holders.index)
            elif hall.holders:
                holder = hall.holders[number % len(hall.holders)]
                holder.let_go() if step == "let go" else holder.task.cancel()

    in_hall(2, scene)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 20))
def test_more_than_the_limit_are_in_use_only_when_it_has_fallen(limits: list[int], count: int) -> None:
    async def scene(hall: Hall) -> None:
        await hall.enter_all(count)
        held = 0
        for limit in limits:
            hall.permits.limit = limit
            await hall.settle()
            held = max(held, min(limit, count))
            assert hall.permits.in_use == held
        assert hall.permits.take_peak() == held

    in_hall(0, scene)


def test_a_permit_is_taken_at_once_when_one_is_free_and_only_then() -> None:
    async def scene(hall: Hall) -> None:
        permits = hall.permits
        assert permits.take_now()
        assert permits.take_now()
        assert not permits.take_now(), "both are in use"
        assert (permits.in_use, permits.take_peak()) == (2, 2)
        (waiting,) = await hall.enter_all(1)
        permits.give_back()
        assert not permits.take_now(), "who waited has it"
        await hall.settle()
        assert (waiting.holds, permits.in_use) == (True, 2)
        permits.give_back()
        assert permits.take_now()
        permits.give_back()

    in_hall(2, scene)
