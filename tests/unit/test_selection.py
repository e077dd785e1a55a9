"""Selections: which dead letters a filter means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.dead.filters import Filters
from forwarder.dead.selection import Selection, trace_id_of
from forwarder.errors import UsageError
from forwarder.queue.dead_letters import REASONS, DeadLetter
from forwarder.queue.entry_ids import place

NOW_MS = 1_767_225_600_000
LETTER = DeadLetter(
    body=b'{"trace_id":"t\\u00e9","value":1,"text":"caf\xc3\xa9 noir"}',
    reason="rejected",
    error="value is too small",
    status=422,
    source=b"web",
    id=f"{NOW_MS}-0",
)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({}, True),
        ({"reason": ("rejected",)}, True),
        ({"reason": ("exhausted", "Rejected")}, True),
        ({"reason": ("exhausted",)}, False),
        ({"status": ("422",)}, True),
        ({"status": ("4xx",)}, True),
        ({"status": ("5XX", "none")}, False),
        ({"since": "1h"}, True),
        ({"since": "2026-01-01T00:00:01Z"}, False),
        ({"until": "2026-01-01T00:00:00Z"}, True),
        ({"until": "1s"}, False),
        ({"trace_id": "té"}, True),
        ({"trace_id": "t"}, False),
        ({"source": "web"}, True),
        ({"source": "we"}, False),
        ({"contains": "café"}, True),
        ({"contains": "too small"}, True),
        ({"contains": "TOO SMALL"}, False),
        ({"reason": ("rejected",), "source": "ios"}, False),
    ],
)
def test_a_letter_is_meant_when_all_filters_hold(options: dict[str, Any], meant: bool) -> None:  # noqa: FBT001
    assert Filters(**options).selection(NOW_MS).matches(LETTER) is meant


def test_a_letter_without_an_answer_has_the_status_none() -> None:
    unanswered = DeadLetter(body=b"", reason="exhausted", error="")

    assert Filters(status=("none",)).selection(NOW_MS).matches(unanswered)
    assert not Filters(status=("5xx",)).selection(NOW_MS).matches(unanswered)


@pytest.mark.parametrize(
    "options",
    [
        {"reason": ("refused",)},
        {"status": ("40x",)},
        {"status": ("0",)},
        {"status": ("4²2",)},
        {"since": "soon"},
        {"until": "soon"},
        {"since": "1h", "until": "2h"},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Filters(**options).selection(NOW_MS)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"trace_id":7}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_event_has_no_trace_id(body: bytes) -> None:
    assert trace_id_of(body) is None


def test_only_the_bare_selection_is_everything() -> None:
    assert Filters().selection(NOW_MS).is_everything
    assert not Filters(since="100d").selection(NOW_MS).is_everything


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 60), st.integers(0, 3))
def test_the_bounds_of_a_scan_leave_out_nothing_that_matches(since: int, length: int, died: int, sequence: int) -> None:
    selection = Selection(since_ms=since, until_ms=since + length)
    letter = DeadLetter(body=b"", reason=REASONS[0], error="", id=f"{died}-{sequence}")

    scanned = place(selection.after) < place(letter.id or "") <= place(selection.until)
    assert scanned == selection.matches(letter)
