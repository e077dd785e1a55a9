"""The quick way to an event's bytes writes and refuses exactly what the codec does."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.client.event import EventWriter
from forwarder.errors import InvalidFeedback
from forwarder.feedback import Limits, codec

LIMITS = Limits(trace_id_max_length=8, event_max_bytes=200)
WRITER = EventWriter(LIMITS)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
TRACE_IDS = st.text(st.characters(), max_size=10) | ANYTHING
VALUES = st.integers(-12, 12) | st.sampled_from([5.0, True, "5"]) | ANYTHING
WEIGHTS = st.floats(-0.5, 1.5) | st.sampled_from([0, 1, True, None]) | ANYTHING
TEXTS = st.text(st.characters(), max_size=200) | st.none() | ANYTHING


def outcome(write: Any, *given_: Any) -> bytes | str:  # noqa: ANN401 - any way to write
    try:
        written: bytes = write(*given_)
    except InvalidFeedback as error:
        return str(error)
    return written


@given(st.tuples(TRACE_IDS, VALUES, WEIGHTS, TEXTS, st.none() | ANYTHING))
def test_both_ways_write_the_same_bytes_or_give_the_same_reason(values: tuple[Any, ...]) -> None:
    event = dict(zip(("trace_id", "value", "weight", "text", "metadata"), values, strict=True))
    assert outcome(WRITER.write, *values) == outcome(codec(LIMITS).encode, event)
    assert outcome(WRITER.write_event, event) == outcome(codec(LIMITS).encode, event)


@given(st.dictionaries(st.sampled_from(["trace_id", "value", "weight", "text", "metadata", "user"]), SCALARS))
def test_a_dictionary_may_lack_fields_or_have_others(event: dict[str, Any]) -> None:
    ours, theirs = outcome(WRITER.write_event, event), outcome(codec(LIMITS).encode, event)
    if isinstance(theirs, bytes) and isinstance(ours, bytes):
        assert msgspec.json.decode(ours) == msgspec.json.decode(theirs)  # the order of the fields may differ
    else:
        assert isinstance(ours, str)
        assert isinstance(theirs, str)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"trace_id": "", "value": 1}, "trace_id: must be a non-empty string"),
        ({"trace_id": "t", "value": 11}, "value: must be an integer from -10 to 10, got 11"),
        ({"trace_id": "t", "value": True}, "value: must be an integer .* got a boolean"),
        ({"trace_id": "t", "value": 1, "weight": float("nan")}, "weight: .*nan is not a finite number"),
        ({"trace_id": "t", "value": 1, "text": "\ud800"}, "text: cannot be written as JSON"),
        ({"trace_id": "t", "value": 1, "text": "x" * 300}, "text: the event has .* at most 200"),
        ({"trace_id": "t", "value": 1, "user": "u"}, "user: is not a known field"),
        ({"value": 1}, "trace_id: is required"),
    ],
)
def test_what_is_wrong_is_named(event: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidFeedback, match=problem):
        WRITER.write_event(event)
