import asyncio
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.histograms import REQUEST_MS
from forwarder.upstream_settings import Upstream
from tests.support.dispatching import (
    AGELESS,
    OK,
    QUICK,
    Chamber,
    Door,
    Notebook,
    Upstreamer,
    counted,
    dispatched,
    dispatcher,
    in_turn,
    names,
    refused,
    refusing,
)
from tests.unit.samples import batch
from workers.batch import Capacity
from workers.outcome import Outcome
from workers.verdict import Answer, Stop

# Delivered


def test_a_batch_that_is_taken_is_delivered_with_one_request() -> None:
    made = batch(2, 3)
    poster = Upstreamer(in_turn(OK))
    outcome = dispatched(made, poster)
    assert (outcome.refusals, outcome.refused) == ([], 0)
    assert poster.bodies == [made.body]
    assert poster.sent[0][0] == made.id
    assert counted(outcome) == Counter({"requests": 1, "requests:200": 1})
    assert sum(REQUEST_MS.counts(outcome.tally)) == 1


def test_a_retry_has_the_same_key_and_the_same_body() -> None:
    poster = Upstreamer(in_turn(Answer(500), Answer(429), OK))
    outcome = dispatched(batch(3), poster)
    assert outcome.refusals == []
    assert len(set(poster.bodies)) == 1
    assert len({key for key, _ in poster.sent}) == 1
    assert counted(outcome) == Counter(
        {"requests": 3, "requests:500": 1, "requests:429": 1, "requests:200": 1, "retries": 2, "ambiguous": 3}
    )


def test_no_answer_is_counted_as_none_and_as_ambiguous_only_when_it_may_have_arrived() -> None:
    lost, unsent = Answer(None, failure="reset"), Answer(None, failure="refused", reached=False)
    outcome = dispatched(batch(4), Upstreamer(in_turn(lost, unsent, OK)))
    assert counted(outcome) == Counter(
        {"requests": 3, "requests:none": 2, "requests:200": 1, "retries": 2, "ambiguous": 4}
    )


@pytest.mark.parametrize(("ids", "mismatches"), [(["a", "b"], 0), (["a"], 1), ([], 1), (["a", "b", "c"], 1), (None, 0)])
def test_a_success_with_another_number_of_ids_is_delivered_and_counted(ids: list[str] | None, mismatches: int) -> None:
    answer = Answer(200, json.dumps({"status": "success", "feedback_ids": ids}).encode())
    outcome = dispatched(batch(2), Upstreamer(in_turn(answer)))
    assert outcome.refusals == []
    assert outcome.tally["ids_mismatch"] == mismatches


# Cut


def test_one_bad_event_among_500_stands_alone_after_at_most_20_further_requests() -> None:
    for bad in (0, 249, 250, 311, 499):
        poster = Upstreamer(refusing(names([bad])))
        outcome = dispatched(batch(*[100] * 5), poster)
        assert refused(outcome) == [(bad, bad + 1)]
        assert len(poster.sent) <= 1 + 20
        assert sorted(poster.delivered) == sorted(set(names(range(500))) - {f"t{bad}"})


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.data(), st.sampled_from([400, 409, 413, 422]))
def test_refusals_cover_exactly_the_bad_events_each_alone_and_all_others_are_delivered_once(
    sizes: list[int], data: st.DataObject, status: int
) -> None:
    made = batch(*sizes)
    bad = data.draw(st.sets(st.integers(0, made.count - 1)))
    poster = Upstreamer(refusing(names(bad), status))
    outcome = dispatched(made, poster)
    assert sorted(refused(outcome)) == [(index, index + 1) for index in sorted(bad)]
    assert outcome.refused == len(bad)
    assert sorted(poster.delivered) == sorted(names(index for index in range(made.count) if index not in bad))
    assert {refusal.reason for refusal in outcome.refusals} <= {"too_large" if status == 413 else "rejected"}
    assert (
        outcome.tally["requests"]
        == len(poster.sent)
        == outcome.tally["requests:200"] + outcome.tally[f"requests:{status}"]
    )
    assert outcome.tally["ambiguous"] == 0


def test_each_piece_of_a_cut_batch_goes_under_a_key_of_its_own() -> None:
    poster = Upstreamer(refusing(names([1, 6])))
    dispatched(batch(8), poster)
    keys = [key for key, _ in poster.sent]
    assert len(set(keys)) == len(keys)


def test_a_refusal_says_why_with_status_and_attempts() -> None:
    outcome = dispatched(batch(1), Upstreamer(in_turn(Answer(503), Answer(422, b'{"message":"no such trace"}'))))
    (refusal,) = outcome.refusals
    assert (refusal.reason, refusal.status, refusal.attempts) == ("rejected", 422, 2)
    assert refusal.error == "HTTP 422: no such trace"


def test_a_200_that_says_failure_is_cut_like_a_400() -> None:
    failure = Answer(200, b'{"status":"failure","message":"bad"}')
    poster = Upstreamer(lambda trace_ids: failure if "t2" in trace_ids else OK)
    outcome = dispatched(batch(4), poster)
    assert [(each.piece.indices[0], each.reason, each.status) for each in outcome.refusals] == [(2, "rejected", 200)]


def test_a_413_is_halved_until_it_fits_and_nothing_is_refused() -> None:
    poster = Upstreamer(lambda trace_ids: Answer(413) if len(trace_ids) > 3 else OK)
    outcome = dispatched(batch(10), poster)
    assert outcome.refusals == []
    assert poster.delivered == names(range(10))


# Exhausted


def test_spent_attempts_leave_the_batch_exhausted_as_a_whole() -> None:
    poster = Upstreamer(lambda _: Answer(503, b"busy"))
    outcome = dispatched(batch(2, 1), poster)
    (refusal,) = outcome.refusals
    assert list(refusal.piece.indices) == [0, 1, 2]
    assert (refusal.reason, refusal.status, refusal.error) == ("exhausted", 503, "HTTP 503: busy")
    assert refusal.attempts == len(poster.sent) == QUICK.retry_max_attempts
    assert counted(outcome) == Counter({"requests": 4, "requests:503": 4, "retries": 3, "ambiguous": 12})


def test_a_batch_beyond_its_age_is_not_tried_again() -> None:
    ageless = Upstream(retry_base_ms=1, retry_max_ms=1, retry_max_attempts=1_000, retry_max_age_s=1e-9)
    poster = Upstreamer(lambda _: Answer(503))
    outcome = dispatched(batch(1), poster, ageless)
    assert [refusal.reason for refusal in outcome.refusals] == ["exhausted"]
    assert len(poster.sent) == 1


def test_one_piece_can_be_exhausted_while_its_neighbours_are_delivered() -> None:
    def script(trace_ids: list[str]) -> Answer:
        if len(trace_ids) > 1:
            return Answer(413)
        return Answer(500) if trace_ids == ["t1"] else OK

    poster = Upstreamer(script)
    outcome = dispatched(batch(3), poster)
    assert [(each.piece.indices[0], each.reason) for each in outcome.refusals] == [(1, "exhausted")]
    assert poster.delivered == ["t0", "t2"]


# The gate


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 405])
def test_a_refused_key_closes_the_gate_and_burns_no_attempt(status: int) -> None:
    answers = [Answer(status)] * 50 + [Answer(500)] * 3 + [OK]
    door = Door()
    poster = Upstreamer(in_turn(*answers))
    outcome = dispatched(batch(2), poster, QUICK, door)
    assert outcome.refusals == []
    stops = [verdict for verdict in door.verdicts if isinstance(verdict, Stop)]
    assert len(stops) == 50
    assert stops[0].error.startswith(f"HTTP {status}: ")
    assert outcome.tally[f"requests:{status}"] == 50
    assert outcome.attempts == QUICK.retry_max_attempts == 4
    assert outcome.tally["retries"] == 3


def test_a_closed_gate_holds_the_batch_back_until_it_opens() -> None:
    async def run() -> None:
        door = Door()
        door.opened.clear()
        poster = Upstreamer(in_turn(OK))
        task = asyncio.create_task(dispatcher(poster, door=door).dispatch(batch(2)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert (len(poster.sent), task.done()) == (0, False)
        door.opened.set()
        outcome = await task
        assert (len(poster.sent), outcome.refusals) == (1, [])

    asyncio.run(run())


def test_the_gate_is_passed_before_each_request() -> None:
    door = Door()
    poster = Upstreamer(in_turn(Answer(500), Answer(400), OK, OK))
    dispatched(batch(2), poster, QUICK, door)
    assert len(door.verdicts) == len(poster.sent) == 4


def test_a_probe_that_fails_burns_no_attempt() -> None:
    poster = Upstreamer(in_turn(*[Answer(503)] * 30, *[Answer(500)] * 3, OK))
    outcome = dispatched(batch(2), poster, QUICK, Door(probes=30))
    assert outcome.refusals == []
    assert outcome.attempts == QUICK.retry_max_attempts
    assert outcome.tally["retries"] == 33


def test_a_probe_is_no_attempt_for_the_next_drain_either() -> None:
    async def run() -> None:
        notebook, poster = Notebook(), Upstreamer(in_turn(*[Answer(503)] * 3, Answer(500), OK))
        await dispatcher(poster, door=Door(probes=3), notebook=notebook).dispatch(batch(2))
        assert [attempts for attempts, _ in notebook.begun] == [0, 0, 0, 1, 2]

    asyncio.run(run())


def test_who_fails_while_all_wait_does_not_wait_by_itself_too() -> None:
    patient = Upstream(retry_base_ms=600_000, retry_max_ms=600_000, retry_max_age_s=AGELESS)
    chamber, door = Chamber(), Door()
    door.is_open = False

    async def run() -> Outcome:
        poster = Upstreamer(in_turn(Answer(500), OK))
        return await dispatcher(poster, patient, door=door, chamber=chamber).dispatch(batch(2))

    assert asyncio.run(run()).refusals == []
    assert chamber.rests == 0


# What fits


def test_a_batch_larger_than_what_fits_goes_in_pieces_at_once() -> None:
    poster = Upstreamer(lambda trace_ids: Answer(413) if len(trace_ids) > 3 else OK)
    outcome = dispatched(batch(10), poster, door=Door(holds=Capacity(3, 10_000)))
    assert sorted(len(trace_ids) for _, trace_ids in poster.sent) == [1, 3, 3, 3]
    assert (outcome.accepted, outcome.refusals) == (10, [])
