"""What becomes of a batch when its session ends, it is cancelled, or another drain has it."""

import asyncio

from forwarder.upstream_settings import Upstream
from tests.support.dispatching import (
    AGELESS,
    OK,
    QUICK,
    Chamber,
    Notebook,
    Upstreamer,
    dispatched,
    dispatcher,
    in_turn,
    new_session,
)
from tests.unit.samples import batch
from workers.verdict import Answer


def test_a_session_that_ends_during_the_backoff_hands_the_batch_back() -> None:
    patient = Upstream(retry_base_ms=600_000, retry_max_ms=600_000, retry_after_max_s=600, retry_max_age_s=AGELESS)

    async def run() -> None:
        session = new_session()

        def script(_: list[str]) -> Answer:
            asyncio.get_running_loop().call_soon(session.end, "stop")
            return Answer(503, retry_after="600")

        chamber = Chamber()
        outcome = await dispatcher(Upstreamer(script), patient, session=session, chamber=chamber).dispatch(batch(2))
        assert chamber.rests == 1
        assert outcome.undecided
        assert outcome.tally["requests:503"] == 1

    asyncio.run(run())


def test_nothing_is_sent_in_a_session_that_is_over() -> None:
    async def run() -> None:
        session = new_session()
        session.end("stop")
        poster = Upstreamer(in_turn())
        outcome = await dispatcher(poster, session=session).dispatch(batch(2))
        assert (outcome.undecided, poster.sent, outcome.tally) == (True, [], {})

    asyncio.run(run())


def test_what_is_known_of_a_batch_that_is_being_cut_is_kept_when_the_session_ends() -> None:
    async def run() -> None:
        session = new_session()
        made = batch(8)
        answers = iter([Answer(400), OK])

        def script(_: list[str]) -> Answer:
            answer = next(answers)
            if answer is OK:
                session.end("stop")
            return answer

        outcome = await dispatcher(Upstreamer(script), session=session).dispatch(made)
        assert not outcome.undecided
        assert [list(piece.indices) for piece in outcome.rest] == [[4, 5, 6, 7]]
        assert outcome.refusals == []

    asyncio.run(run())


def test_what_is_under_way_when_it_is_cancelled_is_ambiguous() -> None:
    class Hanging(Upstreamer):
        """Never answers."""

        reached = asyncio.Event()

        async def post(self, body: bytes, key: str) -> Answer:
            self.reached.set()
            await asyncio.get_running_loop().create_future()
            return await super().post(body, key)

    async def run() -> None:
        hanging = Hanging(in_turn())
        task = asyncio.create_task(dispatcher(hanging).dispatch(batch(3)))
        await hanging.reached.wait()
        task.cancel()
        outcome = await task
        assert outcome.undecided
        assert outcome.tally == {"ambiguous": 3}

    asyncio.run(run())


def test_each_request_is_noted_before_it_is_sent_with_what_may_have_arrived_so_far() -> None:
    async def run() -> None:
        notebook, poster = Notebook(), Upstreamer(in_turn(Answer(500), Answer(429), OK))
        made = batch(3)
        made.attempts = 1
        await dispatcher(poster, notebook=notebook).dispatch(made)
        assert notebook.begun == [(2, 0), (3, 3), (4, 3)]

    asyncio.run(run())


def test_a_batch_that_was_lost_to_another_drain_is_not_sent() -> None:
    async def run() -> None:
        notebook, poster = Notebook(), Upstreamer(in_turn())
        notebook.lost = True
        outcome = await dispatcher(poster, notebook=notebook).dispatch(batch(3))
        assert (outcome.undecided, poster.sent) == (True, [])

    asyncio.run(run())


def test_attempts_of_former_drains_count() -> None:
    made = batch(2)
    made.attempts = QUICK.retry_max_attempts - 1
    poster = Upstreamer(lambda _: Answer(500))
    (refusal,) = dispatched(made, poster).refusals
    assert (refusal.reason, refusal.attempts, len(poster.sent)) == ("exhausted", QUICK.retry_max_attempts, 1)
