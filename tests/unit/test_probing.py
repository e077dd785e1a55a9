"""How a refused batch is probed: the budget, and the events that answers name."""

import asyncio
import json
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dispatching import (
    OK,
    Script,
    Upstreamer,
    dispatched,
    dispatcher,
    names,
    new_session,
    refused,
    refusing,
)
from tests.unit.samples import batch
from workers.outcome import ABREAST, PROBES_MAX
from workers.verdict import Answer

# The budget of the probing


def test_a_batch_of_which_nothing_is_accepted_is_given_up_after_60_requests() -> None:
    poster = Upstreamer(refusing(names(range(500))))
    outcome = dispatched(batch(500), poster)
    assert len(poster.sent) == PROBES_MAX == 60
    assert sorted(index for refusal in outcome.refusals for index in refusal.piece.indices) == list(range(500))
    assert {refusal.reason for refusal in outcome.refusals} <= {"rejected", "unproven"}
    assert {refusal.error for refusal in outcome.refusals} == {"HTTP 400: bad"}


def test_a_batch_of_which_something_is_accepted_is_worked_through_to_the_end() -> None:
    bad = set(range(400)) | {499}
    poster = Upstreamer(refusing(names(bad)))
    outcome = dispatched(batch(500), poster)
    assert sorted(refused(outcome)) == [(index, index + 1) for index in sorted(bad)]
    assert {refusal.reason for refusal in outcome.refusals} == {"rejected"}
    assert len(poster.sent) <= 2 * 500


@pytest.mark.parametrize("every", [2, 3, 7])
def test_good_events_strewn_among_many_bad_ones_are_found_and_all_delivered(every: int) -> None:
    bad = {index for index in range(500) if index % every or (every == 2 and index % 4 == 0)}
    poster = Upstreamer(refusing(names(bad)))
    outcome = dispatched(batch(500), poster)
    assert sorted(refused(outcome)) == [(index, index + 1) for index in sorted(bad)]
    assert len(poster.sent) <= 2 * 500


def test_halving_for_size_is_not_probing() -> None:
    outcome = dispatched(batch(200), Upstreamer(refusing(names(range(200)), 413)))
    assert {refusal.reason for refusal in outcome.refusals} == {"too_large"}
    assert len(outcome.refusals) == 200


# What an answer names


def naming(bad: Iterable[str], index: Callable[[int], int]) -> Script:
    """Refuses a body that holds any of these, and names the first, as `index` changes it."""
    refused_ones = set(bad)

    def answer(trace_ids: list[str]) -> Answer:
        found = [place for place, trace_id in enumerate(trace_ids) if trace_id in refused_ones]
        body = json.dumps({"error": {"message": "bad", "param": f"[{index(found[0])}].value"}}) if found else ""
        return Answer(400, body.encode()) if found else OK

    return answer


def test_an_event_that_the_answer_names_is_tried_first() -> None:
    for bad in (0, 250, 499):
        poster = Upstreamer(naming(names([bad]), lambda index: index))
        outcome = dispatched(batch(*[100] * 5), poster)
        assert refused(outcome) == [(bad, bad + 1)]
        assert [len(trace_ids) for _, trace_ids in poster.sent] == [500, 1, 499]
        assert sorted(poster.delivered) == sorted(set(names(range(500))) - {f"t{bad}"})


@pytest.mark.parametrize("wrong", [0, 10, 250, 498, 499, 500])
def test_an_answer_that_names_the_wrong_event_costs_little(wrong: int) -> None:
    poster = Upstreamer(naming(names([311]), lambda _: wrong))
    outcome = dispatched(batch(500), poster)
    assert refused(outcome) == [(311, 312)]
    assert len(poster.sent) <= 1 + 20
    assert sorted(poster.delivered) == sorted(set(names(range(500))) - {"t311"})


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.data())
def test_whatever_answers_name_each_bad_event_stands_alone_and_no_more_than_two_requests_per_event_are_sent(
    sizes: list[int], data: st.DataObject
) -> None:
    made = batch(*sizes)
    bad = data.draw(st.sets(st.integers(0, made.count - 1)))
    off_by = data.draw(st.integers(-3, 3))
    poster = Upstreamer(naming(names(bad), lambda index: max(0, index + off_by)))
    outcome = dispatched(made, poster)
    assert sorted(refused(outcome)) == [(index, index + 1) for index in sorted(bad)]
    assert sorted(poster.delivered) == sorted(names(index for index in range(made.count) if index not in bad))
    assert len(poster.sent) <= 2 * made.count


def test_many_named_events_do_not_use_up_the_probing_of_the_good_ones() -> None:
    bad = range(100)
    poster = Upstreamer(naming(names(bad), lambda index: index))
    outcome = dispatched(batch(500), poster)
    assert sorted(refused(outcome)) == [(index, index + 1) for index in bad]
    assert {refusal.reason for refusal in outcome.refusals} == {"rejected"}


def test_what_is_left_when_a_session_ends_includes_what_a_named_event_was_refused_with() -> None:
    async def run() -> None:
        session = new_session()

        def script(_: list[str]) -> Answer:
            session.end("stop")
            return Answer(400, b'{"index": 2}')

        outcome = await dispatcher(Upstreamer(script), session=session).dispatch(batch(8))
        assert outcome.undecided
        assert sorted(index for piece in outcome.rest for index in piece.indices) == list(range(8))

    asyncio.run(run())


def test_pieces_go_abreast_once_something_is_accepted() -> None:
    class Slow(Upstreamer):
        """Counts how many requests are in it at once."""

        now = 0
        most = 0

        async def post(self, body: bytes, key: str) -> Answer:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().post(body, key)

    poster = Slow(refusing(names(range(64))))
    dispatched(batch(64), poster)
    assert poster.most == 1, "while nothing is accepted the budget is exact"
    poster = Slow(refusing(names(range(32, 64, 2))))
    dispatched(batch(64), poster)
    assert poster.most == ABREAST
