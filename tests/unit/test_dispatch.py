import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.histograms import REQUEST_MS, is_bucket
from forwarder.upstream_settings import Upstream
from tests.unit.samples import batch
from workers.batch import Batch, Capacity, Piece
from workers.dispatch import Dispatcher
from workers.outcome import ABREAST, PROBES_MAX, Outcome
from workers.session import HandBack, Session
from workers.verdict import Answer, Stop, Verdict

ROOMY = Capacity(10_000, 100_000_000)
AGELESS = 1e12
"""The samples are years old."""
QUICK = Upstream(retry_base_ms=1, retry_max_ms=1, retry_max_attempts=4, retry_max_age_s=AGELESS)
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


@dataclass
class Pass:
    """The right to send one request."""

    door: "Door"
    probe: bool

    def note(self, verdict: Verdict, seconds: float) -> None:
        assert seconds >= 0
        self.door.verdicts.append(verdict)
        assert len(self.door.verdicts) < 2_000, "a dispatch that never ends"


class Door:
    """A gate that keeps what came of the requests that passed it; `probes` of them are probes."""

    def __init__(self, *, probes: int = 0, holds: Capacity = ROOMY) -> None:
        self.verdicts: list[Verdict] = []
        self.is_open = True
        self.capacity = holds
        self.opened = asyncio.Event()
        self.opened.set()
        self._probes = probes

    @asynccontextmanager
    async def passage(self, piece: Piece) -> AsyncIterator[Pass]:
        assert piece.count
        await self.opened.wait()
        self._probes -= 1
        yield Pass(self, probe=self._probes >= 0)


class Notebook:
    """Keeps which attempt was about to be made, and how many events may have arrived already."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.lost = False

    async def begin(self, outcome: Outcome, attempts: int) -> None:
        if self.lost:
            raise HandBack
        self.begun.append((attempts, outcome.tally["ambiguous"]))


class Chamber:
    """Counts who rests."""

    def __init__(self) -> None:
        self.rests = 0

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        self.rests += 1
        yield


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


def dispatcher(
    poster: Upstreamer,
    upstream: Upstream = QUICK,
    *,
    door: Door | None = None,
    session: Session | None = None,
    notebook: Notebook | None = None,
    chamber: Chamber | None = None,
) -> Dispatcher:
    return Dispatcher(
        upstream,
        session or new_session(),
        poster=poster,
        gate=door or Door(),
        journal=notebook or Notebook(),
        room=chamber or Chamber(),
    )


def dispatched(made: Batch, poster: Upstreamer, upstream: Upstream = QUICK, door: Door | None = None) -> Outcome:
    """Run one dispatch to its end."""

    async def run() -> Outcome:
        return await dispatcher(poster, upstream, door=door).dispatch(made)

    return asyncio.run(run())


def counted(outcome: Outcome) -> Counter[str]:
    """What the requests have earned, without the distribution of their round trips."""
    return Counter({name: count for name, count in outcome.tally.items() if not is_bucket(name)})


def names(indices: Iterable[int]) -> list[str]:
    return [f"t{index}" for index in indices]


def refused(outcome: Outcome) -> list[tuple[int, int]]:
    return [(refusal.piece.indices[0], refusal.piece.indices[-1] + 1) for refusal in outcome.refusals]


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


# The session


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


# What fits


def test_a_batch_larger_than_what_fits_goes_in_pieces_at_once() -> None:
    poster = Upstreamer(lambda trace_ids: Answer(413) if len(trace_ids) > 3 else OK)
    outcome = dispatched(batch(10), poster, door=Door(holds=Capacity(3, 10_000)))
    assert sorted(len(trace_ids) for _, trace_ids in poster.sent) == [1, 3, 3, 3]
    assert (outcome.accepted, outcome.refusals) == (10, [])


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
