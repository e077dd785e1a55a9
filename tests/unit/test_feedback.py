import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidFeedback
from forwarder.feedback import Limits, codec, join, split
from tests.support.flawed import CODEC, FIELDS, GOOD, flaw_of, with_field
from tests.unit.samples import EVENTS, JSON_VALUES, TEXT, array, event, parsed

# What is taken


@given(EVENTS)
def test_an_encoded_event_parses_to_the_same_values(values: dict[str, Any]) -> None:
    raw = CODEC.encode(values)
    assert json.loads(raw) == values
    assert CODEC.parse(raw).joined == raw


@given(EVENTS)
def test_encoding_is_idempotent(values: dict[str, Any]) -> None:
    raw = CODEC.encode(values)
    assert CODEC.encode(json.loads(raw)) == raw


@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_an_array_of_canonical_events_travels_as_the_bytes_it_is(values: list[dict[str, Any]]) -> None:
    events = [CODEC.encode(one) for one in values]
    members = CODEC.parse(array(*events))
    assert members.joined == b",".join(events)
    assert members.count == len(events)
    assert CODEC.members(array(*events)) == members


@given(st.lists(EVENTS, min_size=1, max_size=6), st.sampled_from([0, 1, 4]))
def test_splitting_joined_members_gives_the_same_events(values: list[dict[str, Any]], indent: int) -> None:
    events = [json.dumps(one, indent=indent).encode() for one in values]
    assert split(join(events).joined) == events


def test_foreign_formatting_inside_an_event_is_left_alone_and_whitespace_around_it_is_cut() -> None:
    raw = b'{ "value" : 1 ,\n\t"trace_id":"t" }'
    assert CODEC.parse(b" \r\n" + raw + b"\t ").joined == raw
    assert CODEC.parse(b" \r\n[" + raw + b"]\t ").joined == raw


@pytest.mark.parametrize(
    ("raw", "value"), [(b"5.0", 5), (b"-10.0", -10), (b"1e1", 10), (b"-0.0", 0), (b"100e-1", 10), (b"0.0", 0)]
)
def test_a_whole_fraction_becomes_an_integer(raw: bytes, value: int) -> None:
    assert CODEC.parse(with_field("value", raw)).joined == b'{"trace_id":"t","value":%d}' % value


@pytest.mark.parametrize("value", [-10, -1, 0, 1, 10])
def test_values_up_to_the_bounds_are_taken(value: int) -> None:
    raw = with_field("value", str(value).encode())
    assert CODEC.parse(raw).joined == raw


@pytest.mark.parametrize("weight", [b"0", b"0.0", b"1", b"1.0", b"0.5", b"1e-300"])
def test_weights_up_to_the_bounds_are_taken_as_written(weight: bytes) -> None:
    raw = with_field("weight", weight)
    assert CODEC.parse(raw).joined == raw


@pytest.mark.parametrize("field", ["weight", "text", "metadata"])
def test_an_optional_field_that_is_null_is_left_out(field: str) -> None:
    assert CODEC.parse(with_field(field, b"null")).joined == b'{"trace_id":"t","value":1}'
    assert CODEC.encode({"trace_id": "t", "value": 1, field: None}) == b'{"trace_id":"t","value":1}'


def test_null_inside_metadata_is_data_and_stays() -> None:
    raw = b'{"trace_id":"t","value":1,"metadata":{"a":null}}'
    assert CODEC.parse(raw).joined == raw
    assert CODEC.encode(json.loads(raw)) == raw


def test_an_event_that_is_written_anew_keeps_its_other_fields() -> None:
    metadata = {"n": 2**80, "f": 1.0, "s": 'é\n"', "l": [None, True, {}]}
    raw = event("t", 5.0, weight=0.25, text="ü", metadata=metadata)
    (written,) = parsed(CODEC.parse(raw))
    assert written == {"trace_id": "t", "value": 5, "weight": 0.25, "text": "ü", "metadata": metadata}
    assert isinstance(written["value"], int)


def test_the_trace_id_is_measured_in_characters_not_in_bytes() -> None:
    assert CODEC.parse(event("é" * 512)).count == 1
    assert flaw_of(event("é" * 513)).field == "trace_id"


# Encoding


@dataclasses.dataclass
class Reading:
    """A producer's own type, which msgspec can write."""

    level: float


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", math.nan),
        ("value", math.inf),
        ("weight", math.nan),
        ("weight", -math.inf),
        ("metadata", {"a": math.nan}),
        ("metadata", {"a": [1, {"b": (math.inf,)}]}),
        ("metadata", {"a": {math.inf}}),
        ("metadata", {"a": frozenset([math.nan])}),
        ("metadata", {"a": Reading(math.nan)}),
        ("text", "\ud800"),
        ("trace_id", "\udfff"),
        ("metadata", {"a": "\ud800"}),
        ("metadata", {"\ud800": 1}),
        ("metadata", {"a": object()}),
        ("metadata", {("a",): 1}),
    ],
)
def test_what_json_cannot_hold_is_refused_by_field_and_never_silently_changed(field: str, value: object) -> None:
    with pytest.raises(InvalidFeedback) as caught:
        CODEC.encode({"trace_id": "t", "value": 1, field: value})
    (flaw,) = caught.value.flaws
    assert (flaw.field, flaw.raw) == (field, b"")
    assert "cannot be written as JSON" in flaw.problem


@pytest.mark.parametrize(
    ("field", "value"), [("value", 2**70), ("value", -(2**70)), ("value", True), ("value", 5.5), ("weight", 2**70)]
)
def test_a_python_value_out_of_its_rules_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(InvalidFeedback) as caught:
        CODEC.encode({"trace_id": "t", "value": 1, field: value})
    assert [flaw.field for flaw in caught.value.flaws] == [field]


def test_huge_integers_in_metadata_survive() -> None:
    metadata = {"a": 2**70, "b": -(2**200), "c": 2**64}
    assert json.loads(CODEC.encode({"trace_id": "t", "value": 5.0, "metadata": metadata}))["metadata"] == metadata


def test_an_endless_structure_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidFeedback, match="metadata"):
        CODEC.encode({"trace_id": "t", "value": 1, "metadata": {"a": endless}})


# Totality

JSON_ISH = st.lists(
    st.sampled_from([b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\ud800", b"NaN", b"1e999", b"\xff", b" "])
    | st.sampled_from([b"null", b"1", b"5.0", b'"trace_id"', b'"value"', b'"a"', GOOD, b'"metadata"', b"\n", b"\x00"]),
    max_size=25,
).map(b"".join)


ELEMENTS = st.lists(
    EVENTS.map(lambda values: json.dumps(values).encode())
    | JSON_VALUES.map(lambda values: json.dumps(values).encode())
    | st.sampled_from(
        [b"NaN", b'{"trace_id":"\\ud800","value":1}', b'{"trace_id":"\xff","value":1}', event(value=5.0)]
    ),
    min_size=1,
    max_size=6,
)


def check_sifted(body: bytes) -> None:
    sifted = CODEC.sift(body)
    assert sifted.good or sifted.bad
    for raw in sifted.good:
        assert CODEC.members(raw) is not None
        assert json.loads(raw)["trace_id"]
    for flaw in sifted.bad:
        assert flaw.problem
        assert flaw.raw in body
    positions = [flaw.index for flaw in sifted.bad if flaw.index is not None]
    assert positions == sorted(set(positions))


@given(st.binary(max_size=200))
def test_sift_takes_any_bytes_apart(body: bytes) -> None:
    check_sifted(body)


@given(JSON_ISH)
def test_sift_takes_anything_like_json_apart(body: bytes) -> None:
    check_sifted(body)


@given(JSON_ISH)
def test_sift_takes_anything_like_an_array_apart(body: bytes) -> None:
    check_sifted(b"[" + body + b"]")


@given(ELEMENTS)
def test_every_element_of_an_array_is_either_good_or_bad(elements: list[bytes]) -> None:
    sifted = CODEC.sift(array(*elements))
    assert len(sifted.good) + len(sifted.bad) == len(elements)
    bad = {flaw.index: flaw.raw for flaw in sifted.bad}
    assert all(elements[index] == raw for index, raw in bad.items() if index is not None)
    survivors = [json.loads(raw) for index, raw in enumerate(elements) if index not in bad]
    assert [json.loads(raw) for raw in sifted.good] == [
        {name: value for name, value in one.items() if value is not None} for one in survivors
    ]


@given(st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON_VALUES | st.floats() | st.text(), max_size=6))
def test_encode_answers_valid_bytes_or_invalid_feedback(values: dict[str, Any]) -> None:
    try:
        raw = CODEC.encode(values)
    except InvalidFeedback as error:
        assert error.flaws  # noqa: PT017 - both ways are right
    else:
        assert CODEC.members(raw) is not None


@pytest.mark.parametrize("limits", [Limits(), Limits(event_max_bytes=128)])
def test_no_depth_between_shallow_and_too_deep_makes_sift_raise(limits: Limits) -> None:
    """Around the interpreter's recursion limit each layer of the codec gives up at another depth."""
    for depth in range(900, 1_010):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            nested = opening * depth + b"1" + closing * depth
            raw = b'{"trace_id":"t","value":5.0,"metadata":{"n":' + nested + b"}}"
            for body in (raw, array(raw, GOOD), array(raw.replace(b"5.0", b"NaN"), GOOD)):
                sifted = codec(limits).sift(body)
                assert len(sifted.good) + len(sifted.bad) == (1 if body is raw else 2)
