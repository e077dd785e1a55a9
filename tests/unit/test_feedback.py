import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidFeedback
from forwarder.feedback import Codec, Limits, codec, join, split
from forwarder.flaws import Flaw
from tests.unit.samples import EVENTS, JSON_VALUES, TEXT, array, event, parsed

CODEC = codec()
GOOD = b'{"trace_id":"good","value":1}'
FIELDS = ("trace_id", "value", "weight", "text", "metadata")
DEPTH = 10_000
DEEP = b'{"trace_id":"deep","value":1,"metadata":{"n":' + b"[" * DEPTH + b"]" * DEPTH + b"}}"


def flaw_of(body: bytes, using: Codec = CODEC) -> Flaw:
    """The only flaw of a body that holds nothing good."""
    sifted = using.sift(body)
    assert sifted.good == []
    (flaw,) = sifted.bad
    return flaw


def with_field(field: str, raw: bytes) -> bytes:
    """A valid event but for one field, whose JSON is given."""
    fields = {"trace_id": b'"t"', "value": b"1"} | {field: raw}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + b"}"


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


# What is refused, and how it is named

BAD_FIELDS = [
    *[("trace_id", raw, "non-empty string") for raw in (b"5", b"5.5", b"true", b"null", b"[]", b"{}", b'""')],
    ("trace_id", b'"' + b"x" * 513 + b'"', "at most 512 characters"),
    ("value", b"true", "got a boolean"),
    ("value", b"false", "got a boolean"),
    ("value", b'"5"', "got a string"),
    ("value", b"null", "got null"),
    ("value", b"[]", "got an array"),
    ("value", b"{}", "got an object"),
    ("value", b"5.5", "got 5.5"),
    ("value", b"1e-5", "integer from -10 to 10"),
    ("value", b"11", "got 11"),
    ("value", b"-11", "got -11"),
    ("value", b"10.5", "got 10.5"),
    ("value", b"999999999", "got 999999999"),
    ("value", b"1e999", "integer from -10 to 10"),
    ("value", b"9" * 5_000, "integer from -10 to 10"),
    ("value", b"NaN", "not JSON"),
    ("value", b"Infinity", "not JSON"),
    ("value", b"-Infinity", "not JSON"),
    ("weight", b"true", "got a boolean"),
    ("weight", b'"0.5"', "got a string"),
    ("weight", b"[]", "got an array"),
    ("weight", b"{}", "got an object"),
    ("weight", b"1.01", "got 1.01"),
    ("weight", b"-0.01", "got -0.01"),
    ("weight", b"1e999", "number from 0 to 1"),
    ("weight", b"NaN", "not JSON"),
    *[("text", raw, "must be a string") for raw in (b"5", b"5.5", b"true", b"[]", b"{}")],
    ("text", b'"\\ud800"', "not JSON"),
    ("text", b'"\xff"', "not UTF-8"),
    *[("metadata", raw, "must be an object") for raw in (b"5", b"5.5", b"true", b"[]", b'"x"')],
    ("metadata", b'{"a":NaN}', "not JSON"),
    ("metadata", b'{"a":1e999}', "out of range"),
    ("metadata", b'{"a":[{"b":"\\udc00"}]}', "not JSON"),
    ("nope", b"1", "not a known field"),
    ("Value", b"1", "not a known field"),
    ("", b"1", "not a known field"),
]


@pytest.mark.parametrize(("field", "raw", "problem"), BAD_FIELDS)
def test_a_bad_field_is_named(field: str, raw: bytes, problem: str) -> None:
    flaw = flaw_of(with_field(field, raw))
    assert (flaw.index, flaw.field, flaw.raw) == (None, field, with_field(field, raw))
    assert problem in flaw.problem
    assert flaw.problem.count("got") <= 1


@pytest.mark.parametrize(("field", "raw", "problem"), BAD_FIELDS)
def test_a_bad_event_in_an_array_is_named_by_position_and_condemns_no_neighbour(
    field: str, raw: bytes, problem: str
) -> None:
    sifted = CODEC.sift(array(GOOD, with_field(field, raw), GOOD))
    assert sifted.good == [GOOD, GOOD]
    (flaw,) = sifted.bad
    assert (flaw.index, flaw.field, flaw.raw) == (1, field, with_field(field, raw))
    assert problem in flaw.problem
    assert str(flaw).startswith(f"[1].{field}: ")


@pytest.mark.parametrize(("raw", "field"), [(b'{"trace_id":"t"}', "value"), (b'{"value":1}', "trace_id")])
def test_a_missing_field_is_named(raw: bytes, field: str) -> None:
    flaw = flaw_of(raw)
    assert (flaw.field, flaw.problem) == (field, "is required")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (with_field("metadata", b'{"a":1e999}'), "metadata: cannot be taken: number out of range"),
        (with_field("metadata", b'{"a":[{"b":1e999}]}'), "metadata: cannot be taken: number out of range"),
        (with_field("metadata", b"[1e999]"), "metadata: must be an object, got an array"),
        (with_field("text", b"5"), "text: must be a string, got an integer"),
        (with_field("text", b"5.5"), "text: must be a string, got a fraction"),
        (with_field("value", b"null"), "value: must be an integer from -10 to 10, got null"),
        (with_field("weight", b'"x"'), "weight: must be a finite number from 0 to 1, got a string"),
        (b"[1e999]", "[0]: holds a number that is out of range"),
        (b"5.5", "must be an object with trace_id and value, or an array of such objects, got a fraction"),
    ],
)
def test_what_is_wrong_is_told_in_words(body: bytes, told: str) -> None:
    assert str(flaw_of(body)) == told


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    problem = flaw_of(event(score=1)).problem
    assert problem == f"is not a known field; known are {', '.join(FIELDS)}"


@pytest.mark.parametrize(
    "element", [b"1", b"1.5", b'"x"', b"null", b"true", b"[]", b"[{}]", b'[{"trace_id":"t","value":1}]']
)
def test_an_element_that_is_no_object_is_named_by_its_position(element: bytes) -> None:
    sifted = CODEC.sift(array(GOOD, element))
    assert sifted.good == [GOOD]
    assert [(flaw.index, flaw.field, flaw.raw) for flaw in sifted.bad] == [(1, None, element)]
    assert "must be an object" in sifted.bad[0].problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b" \n", "not JSON"),
        (b"[]", "empty array"),
        (b" [ ] ", "empty array"),
        (b"hello", "not JSON"),
        (b"null", "must be an object"),
        (b'"text"', "must be an object"),
        (b"17", "must be an object"),
        (b"{", "not JSON"),
        (b"[", "not JSON"),
        (b"[[[", "not JSON"),
        (GOOD + b"x", "trailing characters"),
        (GOOD + b"," + GOOD, "trailing characters"),
        (array(GOOD) + b"x", "trailing characters"),
        (array(GOOD) + array(GOOD), "trailing characters"),
        (b"[" + GOOD + b",]", "trailing comma"),
        (b"[," + GOOD + b"]", "not JSON"),
        (b"[" + GOOD + b",", "truncated"),
        (b"[" + GOOD + b"}", "not JSON"),
        (b'[{"trace_id":"t]', "truncated"),
        (b"\xef\xbb\xbf" + GOOD, "not JSON"),
        (b"\xef\xbb\xbf" + array(GOOD), "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"\x00", "not JSON"),
        (b"[" * DEPTH, "nested too deeply"),
    ],
)
def test_a_body_that_is_wrong_as_a_whole_is_one_flaw_without_position(body: bytes, problem: str) -> None:
    flaw = flaw_of(body)
    assert (flaw.index, flaw.field) == (None, None)
    assert problem in flaw.problem


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b'{"trace_id":"\\ud800","value":1}', id="lone surrogate escape"),
        pytest.param(b'{"trace_id":"\xff","value":1}', id="not UTF-8"),
        pytest.param(b'{"trace_id":"a\nb","value":1}', id="control character"),
        pytest.param(DEEP, id="deep"),
        pytest.param(b'{"trace_id":"t","value":NaN,"text":"],{[,\\""}', id="NaN beside brackets in text"),
        pytest.param(b'{"trace_id" "t"}', id="syntax"),
        pytest.param(b'{"trace_id":"t","value":NaN,"metadata":{"n":' + b"9" * 5_000 + b"}}", id="NaN, huge integer"),
    ],
)
def test_what_msgspec_cannot_even_step_over_condemns_only_its_own_event(bad: bytes) -> None:
    sifted = CODEC.sift(array(GOOD, bad, GOOD, bad))
    assert sifted.good == [GOOD, GOOD]
    assert [(flaw.index, flaw.raw) for flaw in sifted.bad] == [(1, bad), (3, bad)]


def test_ten_thousand_levels_are_too_deep_and_said_so() -> None:
    flaw = flaw_of(DEEP)
    assert (flaw.field, flaw.problem) == ("metadata", "is nested too deeply")


def test_an_event_over_the_limit_is_refused_with_both_sizes_and_its_largest_field() -> None:
    raw = event("t", text="x" * 10_000_000)
    flaw = flaw_of(raw)
    assert flaw.field == "text"
    assert str(len(raw)) in flaw.problem
    assert "262144" in flaw.problem


def test_the_event_limit_is_of_each_event_not_of_the_array() -> None:
    strict = codec(Limits(event_max_bytes=len(GOOD)))
    assert strict.members(array(*[GOOD] * 50)) == join([GOOD] * 50)  # not taken apart
    assert strict.members(b" " + GOOD + b" ") == join([GOOD])
    assert strict.members(array(GOOD, GOOD[:-1] + b" }")) is None
    flaw = flaw_of(GOOD[:-1] + b" }", strict)
    assert "bytes" in flaw.problem


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (GOOD, True),
        (GOOD.replace(b"1", b"9"), True),
        (GOOD.replace(b"good", b"g.."), True),
        (GOOD + b" ", False),
        (GOOD.replace(b"good", b"aaaaa"), False),
        (b'{"trace_id":"g","value":11}', False),
        (b'{"trace_id":"g","value":5.0}', False),
        (b"[]", False),
    ],
)
def test_what_is_forwarded_as_it_is_is_one_valid_event_within_the_limit(raw: bytes, *, canonical: bool) -> None:
    strict = codec(Limits(event_max_bytes=len(GOOD)))
    assert strict.is_canonical(raw) is canonical
    assert [strict.are_events(bodies) for bodies in ([raw], [GOOD, raw], [raw, GOOD])] == [canonical] * 3
    sifted = strict.sift(array(raw, b"17"))
    assert (raw in sifted.good) is canonical


def test_a_single_element_of_an_array_has_a_position() -> None:
    assert flaw_of(b" [17]").index == 0


def test_limits_are_the_ones_the_codec_was_made_with() -> None:
    short = codec(Limits(trace_id_max_length=3))
    assert short.parse(event("abc")).count == 1
    assert "at most 3 characters" in flaw_of(event("abcd"), short).problem


def test_parse_takes_nothing_of_a_body_with_one_bad_event_and_names_all_bad_ones() -> None:
    with pytest.raises(InvalidFeedback) as caught:
        CODEC.parse(array(GOOD, event(value=11), GOOD, event("")))
    assert [flaw.where for flaw in caught.value.flaws] == ["[1].value", "[3].trace_id"]


def test_a_number_that_may_be_personal_is_not_quoted() -> None:
    assert "got" not in flaw_of(with_field("value", b"1000000000")).problem


@pytest.mark.parametrize("field", ["value", "weight", "metadata"])
def test_a_personal_value_is_not_quoted_in_the_error(field: str) -> None:
    assert "Lovelace" not in str(flaw_of(with_field(field, b'"Ada Lovelace"')))


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
