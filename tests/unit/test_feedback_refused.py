"""What is no event: each flaw is named by its place, in words that help."""

import pytest

from forwarder.errors import InvalidFeedback
from forwarder.feedback import Limits, codec, join
from tests.support.flawed import CODEC, DEEP, DEPTH, FIELDS, GOOD, flaw_of, with_field
from tests.unit.samples import array, event

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
