"""A batch that is refused, piece by piece: what is sent next, and that each event has one outcome."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import batch
from workers import outcome as module
from workers.batch import Piece
from workers.outcome import HINTS_MAX, PROBES_MAX, SAMPLES_AFTER, Outcome, Ruling
from workers.verdict import Cut, Delivered, Retry

OK = Delivered(None)
REFUSED = Cut("HTTP 400: bad")
SPENT = Retry("HTTP 503: busy", "HTTP 503")
Verdict = Delivered | Cut | Retry


def begun(count: int) -> Outcome:
    made = batch(count)
    outcome = Outcome(made)
    outcome.pieces.append(made.whole())
    return outcome


def sent(outcome: Outcome, answer: Callable[[Piece], Verdict], most: int = 10_000) -> list[list[int]]:
    """The events of each request, until all have their outcome or so many have been sent."""
    requests: list[list[int]] = []
    while len(requests) < most and (pieces := outcome.next_pieces()):
        for piece in pieces:
            requests.append(list(piece.indices))
            outcome.note(piece, Ruling(answer(piece), 400, 1))
    return requests


def naming(*bad: int) -> Callable[[Piece], Verdict]:
    """An upstream that refuses these events, and names the first of them."""

    def answer(piece: Piece) -> Verdict:
        named = next((place for place, index in enumerate(piece.indices) if index in bad), None)
        return OK if named is None else Cut("HTTP 400: bad", index=named)

    return answer


def refused_of(outcome: Outcome) -> list[int]:
    return [index for refusal in outcome.refusals for index in refusal.piece.indices]


VERDICTS = st.one_of(
    st.just(OK),
    st.just(REFUSED),
    st.just(SPENT),
    st.just(Cut("HTTP 413", "too_large")),
    st.integers(0, 40).map(lambda index: Cut("HTTP 400: bad", index=index)),
)


@given(st.integers(1, 60), st.integers(0, 80), st.data())
def test_each_event_is_delivered_refused_or_left_whenever_it_ends(count: int, most: int, data: st.DataObject) -> None:
    outcome, delivered = begun(count), list[int]()

    def answer(piece: Piece) -> Verdict:
        verdict = data.draw(VERDICTS)
        if verdict == OK:
            delivered.extend(piece.indices)
        return verdict

    sent(outcome, answer, most)
    outcome.close()
    left = [index for piece in outcome.rest for index in piece.indices]
    assert sorted([*delivered, *refused_of(outcome), *left]) == list(range(count))
    assert (outcome.accepted, outcome.refused, outcome.left) == (len(delivered), len(refused_of(outcome)), len(left))


def test_what_is_given_up_is_refused_once_also_what_an_answer_has_just_set_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PROBES_MAX", 5)  # before there are samples
    outcome = begun(500)
    sent(outcome, lambda _: REFUSED, 4)
    (piece,) = outcome.next_pieces()
    outcome.note(piece, Ruling(Cut("HTTP 400: bad", index=0), 400, 1))
    assert outcome.next_pieces() == []
    outcome.close()
    assert sorted(refused_of(outcome)) == list(range(500))
    assert (outcome.rest, {refusal.reason for refusal in outcome.refusals}) == ([], {"unproven"})


def test_while_nothing_is_accepted_every_other_probe_is_a_single_event() -> None:
    sizes = [len(request) for request in sent(begun(500), lambda _: REFUSED)]
    assert sizes[:SAMPLES_AFTER] == [500, 250, 250, 125, 125, 125, 125]
    assert [size == 1 for size in sizes[SAMPLES_AFTER:20]] == [True, False] * 6 + [True]
    assert len(sizes) == PROBES_MAX


def test_names_are_trusted_without_end_once_something_was_accepted() -> None:
    """Each bad event costs two requests then: itself, and all others."""
    bad = range(0, 500, 20)
    assert len(bad) > 2 * HINTS_MAX
    accepting = begun(500)
    accepting.accepted = 1
    requests = sent(accepting, naming(*bad))
    assert len(requests) == 1 + 2 * len(bad)
    assert sorted(refused_of(accepting)) == list(bad)


def test_names_are_not_trusted_for_ever_while_nothing_is_accepted() -> None:
    bad = range(0, 500, 20)
    outcome = begun(500)
    requests = sent(outcome, naming(*bad))
    alone = [request for request in requests if len(request) == 1][:HINTS_MAX]
    assert alone == [[index] for index in bad[:HINTS_MAX]]
    assert max(len(request) for request in requests[2 * HINTS_MAX + 1 :]) == (500 - HINTS_MAX) // 2
    assert sorted(refused_of(outcome)) == list(bad)


def test_what_an_answer_names_is_tried_before_what_waits() -> None:
    def answer(piece: Piece) -> Verdict:
        return REFUSED if piece.count == 8 else Cut("HTTP 400: bad", index=1)

    assert sent(begun(8), answer, 3) == [list(range(8)), [0, 1, 2, 3], [1]]


def test_a_name_that_was_wrong_costs_one_request_and_no_other_is_believed() -> None:
    def wrongly(bad: int) -> Callable[[Piece], Verdict]:
        return lambda piece: Cut("HTTP 400: bad", index=0) if bad in piece.indices else OK

    first, *others = sent(begun(9), wrongly(5))
    assert first == list(range(9))
    assert others == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [7, 8], [5], [6]]
    assert sent(begun(2), wrongly(1)) == [[0, 1], [0], [1]]
    assert sent(begun(3), wrongly(1)) == [[0, 1, 2], [0], [1], [2]]
