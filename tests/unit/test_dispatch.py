import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.settings import Upstream
from tests.unit.samples import batch
from workers.batch import Batch
from workers.dispatch import Dispatcher
from workers.outcome import PROBES_MAX, Outcome
from workers.session import Session
from workers.verdict import Answer

QUICK = Upstream(retry_base_ms=1, retry_max_ms=1, retry_max_attempts=4)
OK = Answer(200, b'{"status":"success"}')
Script = Callable[[list[str]], Answer]
"""Answers a request from the trace ids of its events."""


class Upstreamer:
    """Keeps what it was sent, and answers by a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.sent: list[tuple[str, list[str]]] = []
        self.bodies: list[bytes] = []

    async def post(self, body: bytes, key: str) -> Answer:
        trace_ids = [event["trace_id"] for event in json.loads(body)]
        self.sent.append((key, trace_ids))
        self.bodies.append(body)
        return self._script(trace_ids)

    @property
    def delivered(self) -> list[str]:
        """The events of the requests that succeeded."""
        return [one for _, trace_ids in self.sent if self._script(trace_ids) == OK for one in trace_ids]


class Door:
    """A gate that keeps the reasons for which it was closed."""

    def __init__(self, *, opens_by_itself: bool = True) -> None:
        self.reasons: list[str] = []
        self.asked = 0
        self.opened = asyncio.Event()
        self.opened.set()
        self._opens_by_itself = opens_by_itself
        self.closed = asyncio.Event()

    async def passed(self) -> None:
        self.asked += 1
        await self.opened.wait()

    async def close(self, reason: str) -> None:
        self.reasons.append(reason)
        assert len(self.reasons) < 1_000, "a dispatch that never ends"
        if not self._opens_by_itself:
            self.opened.clear()
            self.closed.set()


def in_turn(*answers: Answer) -> Script:
    """One answer after the other, whatever is sent."""
    left = iter(answers)
    return lambda _: next(left)


def refusing(bad: Iterable[str], status: int = 400) -> Script:
    """Refuses a body that holds any of these events."""
    refused = set(bad)
    return lambda trace_ids: Answer(status, b'{"message":"bad"}') if refused & set(trace_ids) else OK


def new_session() -> Session:
    return Session("default", 0, "token", idle_s=5, longest_s=300)


def dispatched(made: Batch, poster: Upstreamer, upstream: Upstream = QUICK, door: Door | None = None) -> Outcome:
    """Run one dispatch to its end."""

    async def run() -> Outcome:
        return await Dispatcher(upstream, poster, door or Door(), new_session()).dispatch(made)

    return asyncio.run(run())


def names(indices: Iterable[int]) -> list[str]:
    return [f"t{index}" for index in indices]


def refused(outcome: Outcome) -> list[tuple[int, int]]:
    return [(refusal.piece.start, refusal.piece.stop) for refusal in outcome.refusals]


# Delivered


def test_a_batch_that_is_taken_is_delivered_with_one_request() -> None:
    made = batch(2, 3)
    poster = Upstreamer(in_turn(OK))
    outcome = dispatched(made, poster)
    assert (outcome.refusals, outcome.refused) == ([], 0)
    assert poster.bodies == [made.body]
    assert poster.sent[0][0] == made.id
    assert outcome.tally == Counter({"requests": 1, "requests:200": 1})


def test_a_retry_has_the_same_key_and_the_same_body() -> None:
    poster = Upstreamer(in_turn(Answer(500), Answer(429), OK))
    outcome = dispatched(batch(3), poster)
    assert outcome.refusals == []
    assert len(set(poster.bodies)) == 1
    assert len({key for key, _ in poster.sent}) == 1
    assert outcome.tally == Counter(
        {"requests": 3, "requests:500": 1, "requests:429": 1, "requests:200": 1, "retries": 2, "ambiguous": 3}
    )


def test_no_answer_is_counted_as_none_and_as_ambiguous_only_when_it_may_have_arrived() -> None:
    lost, unsent = Answer(None, failure="reset"), Answer(None, failure="refused", reached=False)
    outcome = dispatched(batch(4), Upstreamer(in_turn(lost, unsent, OK)))
    assert outcome.tally == Counter(
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
    assert [(each.piece.start, each.reason, each.status) for each in outcome.refusals] == [(2, "rejected", 200)]


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
    assert (refusal.piece.start, refusal.piece.stop) == (0, 3)
    assert (refusal.reason, refusal.status, refusal.error) == ("exhausted", 503, "HTTP 503: busy")
    assert refusal.attempts == len(poster.sent) == QUICK.retry_max_attempts
    assert outcome.tally == Counter({"requests": 4, "requests:503": 4, "retries": 3, "ambiguous": 12})


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
    assert [(each.piece.start, each.reason) for each in outcome.refusals] == [(1, "exhausted")]
    assert poster.delivered == ["t0", "t2"]


# The gate


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 405])
def test_a_refused_key_closes_the_gate_and_burns_no_attempt(status: int) -> None:
    answers = [Answer(status)] * 50 + [Answer(500)] * 3 + [OK]
    door = Door()
    poster = Upstreamer(in_turn(*answers))
    outcome = dispatched(batch(2), poster, QUICK, door)
    assert outcome.refusals == []
    assert len(door.reasons) == 50
    assert door.reasons[0].startswith(f"HTTP {status}: ")
    assert outcome.tally[f"requests:{status}"] == 50
    assert outcome.tally["retries"] == 3


def test_a_closed_gate_holds_the_batch_back_until_it_opens() -> None:
    async def run() -> None:
        door = Door(opens_by_itself=False)
        poster = Upstreamer(in_turn(Answer(401), OK))
        task = asyncio.create_task(Dispatcher(QUICK, poster, door, new_session()).dispatch(batch(2)))
        await door.closed.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert (len(poster.sent), task.done()) == (1, False)
        door.opened.set()
        outcome = await task
        assert (len(poster.sent), outcome.refusals) == (2, [])

    asyncio.run(run())


def test_the_gate_is_passed_before_each_request() -> None:
    door = Door()
    poster = Upstreamer(in_turn(Answer(500), Answer(400), OK, OK))
    dispatched(batch(2), poster, QUICK, door)
    assert door.asked == len(poster.sent) == 4


# The budget of the probing


def test_a_batch_of_which_nothing_is_accepted_is_given_up_after_60_requests() -> None:
    poster = Upstreamer(refusing(names(range(500))))
    outcome = dispatched(batch(500), poster)
    assert len(poster.sent) == PROBES_MAX == 60
    assert sorted(index for start, stop in refused(outcome) for index in range(start, stop)) == list(range(500))
    assert {refusal.reason for refusal in outcome.refusals} <= {"rejected", "unproven"}
    assert {refusal.error for refusal in outcome.refusals} == {"HTTP 400: bad"}


def test_a_batch_of_which_something_is_accepted_is_worked_through_to_the_end() -> None:
    bad = set(range(400)) | {499}
    poster = Upstreamer(refusing(names(bad)))
    outcome = dispatched(batch(500), poster)
    assert sorted(refused(outcome)) == [(index, index + 1) for index in sorted(bad)]
    assert {refusal.reason for refusal in outcome.refusals} == {"rejected"}
    assert len(poster.sent) <= 2 * 500


def test_halving_for_size_is_not_probing() -> None:
    outcome = dispatched(batch(200), Upstreamer(refusing(names(range(200)), 413)))
    assert {refusal.reason for refusal in outcome.refusals} == {"too_large"}
    assert len(outcome.refusals) == 200


# The session


def test_a_session_that_ends_during_the_backoff_hands_the_batch_back() -> None:
    patient = Upstream(retry_base_ms=600_000, retry_max_ms=600_000, retry_after_max_s=600)

    async def run() -> None:
        session = new_session()

        def script(_: list[str]) -> Answer:
            asyncio.get_running_loop().call_soon(session.end, "stop")
            return Answer(503, retry_after="600")

        outcome = await Dispatcher(patient, Upstreamer(script), Door(), session).dispatch(batch(2))
        assert outcome.undecided
        assert outcome.tally["requests:503"] == 1

    asyncio.run(run())


def test_nothing_is_sent_in_a_session_that_is_over() -> None:
    async def run() -> None:
        session = new_session()
        session.end("stop")
        poster = Upstreamer(in_turn())
        outcome = await Dispatcher(QUICK, poster, Door(), session).dispatch(batch(2))
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

        outcome = await Dispatcher(QUICK, Upstreamer(script), Door(), session).dispatch(made)
        assert not outcome.undecided
        assert [(piece.start, piece.stop) for piece in outcome.rest] == [(4, 8)]
        assert outcome.refusals == []

    asyncio.run(run())


def test_what_is_under_way_when_it_is_cancelled_is_ambiguous() -> None:
    class Hanging(Upstreamer):
        """Never answers."""

        async def post(self, body: bytes, key: str) -> Answer:
            await asyncio.get_running_loop().create_future()
            return await super().post(body, key)

    async def run() -> None:
        dispatcher = Dispatcher(QUICK, Hanging(in_turn()), Door(), new_session())
        task = asyncio.create_task(dispatcher.dispatch(batch(3)))
        await asyncio.sleep(0)
        task.cancel()
        outcome = await task
        assert outcome.undecided
        assert outcome.tally == {"ambiguous": 3}

    asyncio.run(run())


def test_no_more_requests_are_in_flight_than_the_destination_allows() -> None:
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

    async def run() -> int:
        poster = Slow(lambda _: OK)
        dispatcher = Dispatcher(Upstream(concurrency_max=3), poster, Door(), new_session())
        await asyncio.gather(*[dispatcher.dispatch(batch(1)) for _ in range(12)])
        return poster.most

    assert asyncio.run(run()) == 3
