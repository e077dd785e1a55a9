"""Mending letters on their way back."""

import pytest

from forwarder.dead.groups import grouped
from forwarder.dead.likeness import normalised
from forwarder.dead.selection import Selection
from forwarder.errors import UsageError
from forwarder.feedback import Limits, codec
from forwarder.flaws import Flaw
from forwarder.queue.dead_letters import DeadLetter
from forwarder.replaying.judging import edited, judged
from forwarder.replaying.plan import Plan, as_json, parse_edits

CODEC = codec(Limits())
BODY = b'{"trace_id":"t","value":11,"text":"hi"}'


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["value=10"], b'{"trace_id":"t","value":10,"text":"hi"}'),
        (["value=10", "text=null"], b'{"trace_id":"t","value":10}'),
        (["value=1", "trace_id=5=5"], b'{"trace_id":"5=5","value":1,"text":"hi"}'),
        (
            ["value=1", "weight=0.5", 'metadata={"a": 1}'],
            b'{"trace_id":"t","value":1,"text":"hi","weight":0.5,"metadata":{"a": 1}}',
        ),
    ],
)
def test_edits_set_fields_and_leave_the_others(assignments: list[str], expected: bytes) -> None:
    assert edited(BODY, as_json(parse_edits(assignments)), CODEC) == expected


def test_an_event_in_a_letters_place_is_what_returns() -> None:
    letter, new = DeadLetter(b'{"trace_id":"t","value":-9}', "rejected", "HTTP 400"), '{"trace_id":"t","value":9}'
    ((_, judgement),) = judged([[letter]], Plan(Selection(), body=new), CODEC, lambda wanted: [None for _ in wanted])
    assert isinstance(judgement, DeadLetter)
    assert judgement.body == new.encode()


def test_a_valid_letter_without_edits_keeps_its_bytes() -> None:
    body = b'{ "value": 1, "trace_id": "t" }'

    assert edited(body, {}, CODEC) == body


@pytest.mark.parametrize(
    ("body", "assignments", "problem"),
    [
        (BODY, [], "value: must be"),
        (BODY, ["value=99"], "value: must be"),
        (b"oops", ["value=1"], "is not an object"),
        (b"\xff", [], "is not JSON"),
        (b'[{"trace_id":"t","value":1},{"trace_id":"t","value":1}]', [], "holds 2 events"),
    ],
)
def test_what_is_still_no_event_stays_dead_with_its_flaw(body: bytes, assignments: list[str], problem: str) -> None:
    outcome = edited(body, as_json(parse_edits(assignments)), CODEC)

    assert isinstance(outcome, Flaw)
    assert problem in str(outcome)


@pytest.mark.parametrize("assignment", ["value", "score=1", "value=", "value=ten", "metadata={", "=1"])
def test_an_edit_that_cannot_be_made_is_refused(assignment: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        parse_edits([assignment])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("value: must be ≤ 10, got 11", "value: must be ≤ N, got N"),
        ('trace "t-17" is unknown', "trace … is unknown"),
        ("request 6f9619ff-8b86-d011-b42d-00cf4fc964ff failed", "request ID failed"),
        ("object 5F3c9d2e is gone, 12345678 is not", "object ID is gone, N is not"),
        ("deadbeef is a word, 5f3c9d2 is short", "deadbeef is a word, NfNcNdN is short"),
        ("`a` and 'b'", "… and …"),
        ("at 1.5 s\n  after 20,000", "at N s after N"),
    ],
)
def test_errors_are_counted_without_what_varies(error: str, kind: str) -> None:
    assert normalised(error) == kind


def test_stats_count_by_reason_status_and_error() -> None:
    letters = [
        DeadLetter(b"", "rejected", f"event {number}", status=status, id=f"{1000 * (number + 1)}-0")
        for number, status in enumerate([422, 422, None])
    ]

    answer = grouped(letters).stats()

    assert (answer["total"], answer["reasons"], answer["statuses"]) == (3, {"rejected": 3}, {"422": 2, "none": 1})
    assert answer["errors"] == [{"error": "event N", "count": 3}]
    assert (answer["first"], answer["last"]) == ("1970-01-01 00:00:01Z", "1970-01-01 00:00:03Z")
