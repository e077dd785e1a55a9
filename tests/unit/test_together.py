import asyncio
from collections.abc import Sequence

import pytest

from workers.together import Together


class Step:
    """A step that is held until it is let go; notes what it was handed."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        await self.go.wait()
        if 0 in items:
            raise ValueError("a nought")
        return [item * 10 for item in items]


async def _begun(step: Step, together: Together[int, int], *items: int) -> list[asyncio.Task[int]]:
    tasks = []
    for item in items:
        tasks.append(asyncio.create_task(together.done(item)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert step.calls == [[items[0]]]
    return tasks


def test_what_comes_while_one_step_runs_goes_together_in_the_next() -> None:
    async def run() -> None:
        step = Step()
        tasks = await _begun(step, Together(step, most=9), 1, 2, 3)
        step.go.set()
        assert await asyncio.gather(*tasks) == [10, 20, 30]
        assert step.calls == [[1], [2, 3]]

    asyncio.run(run())


def test_a_step_is_no_heavier_than_it_may_be_and_an_item_too_heavy_goes_alone() -> None:
    async def run() -> None:
        step = Step()
        tasks = await _begun(step, Together(step, weight=lambda item: item, most=5), 1, 2, 3, 4, 9)
        step.go.set()
        assert await asyncio.gather(*tasks) == [10, 20, 30, 40, 90]
        assert step.calls == [[1], [2, 3], [4], [9]]

    asyncio.run(run())


def test_everybody_of_a_step_learns_that_it_failed_and_the_next_step_is_another() -> None:
    async def run() -> None:
        step = Step()
        tasks = await _begun(step, Together(step, most=2), 1, 0, 2, 3)
        step.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["10", "a nought", "a nought", "30"]

    asyncio.run(run())


def test_who_was_cancelled_before_the_step_is_left_out_and_the_others_are_not() -> None:
    async def run() -> None:
        step = Step()
        tasks = await _begun(step, Together(step, most=9), 1, 2, 3)
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        step.go.set()
        assert [await tasks[0], await tasks[2]] == [10, 30]
        assert step.calls == [[1], [3]]

    asyncio.run(run())


def test_who_was_cancelled_weighs_nothing() -> None:
    async def run() -> None:
        step = Step()
        tasks = await _begun(step, Together(step, weight=lambda item: item, most=5), 1, 9, 2, 3)
        tasks[1].cancel()
        step.go.set()
        assert [await tasks[0], await tasks[2], await tasks[3]] == [10, 20, 30]
        assert step.calls == [[1], [2, 3]]

    asyncio.run(run())


def test_what_comes_when_nothing_runs_any_more_begins_anew() -> None:
    async def run() -> None:
        step = Step()
        together = Together(step, most=9)
        step.go.set()
        async with asyncio.timeout(30):
            assert [await together.done(item) for item in (1, 2)] == [10, 20]
        assert step.calls == [[1], [2]]

    asyncio.run(run())


def test_who_is_cancelled_during_the_step_keeps_nothing_from_the_others() -> None:
    async def run() -> None:
        step = Step()
        tasks = await _begun(step, Together(step, most=9), 1, 2)
        tasks[0].cancel()
        step.go.set()
        assert await asyncio.wait_for(tasks[1], 30) == 20
        assert tasks[0].cancelled()

    asyncio.run(run())


def test_the_end_breaks_off_a_step_for_which_nobody_waits() -> None:
    async def run() -> None:
        step = Step()
        together = Together(step, most=9)
        (task,) = await _begun(step, together, 1)
        task.cancel()
        await together.end()
        await together.end()
        assert task.cancelled()

    asyncio.run(run())
