import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.parts import UNDECODABLE, longest_part, raw_parts
from tests.unit.samples import JSON_VALUES

NAN = b"NaN"
"""An element over which msgspec cannot step, so that the scan by brackets has to do it."""


@given(st.lists(JSON_VALUES, max_size=6), st.sampled_from([None, 0, 2]))
def test_the_parts_of_an_array_are_its_elements(values: list[object], indent: int | None) -> None:
    assert [json.loads(part) for part in raw_parts(json.dumps(values, indent=indent).encode())] == values


@given(st.lists(JSON_VALUES, max_size=6), st.sampled_from([b",", b" , ", b"\n,\r\n\t"]))
def test_the_scan_by_brackets_finds_the_same_elements(values: list[object], comma: bytes) -> None:
    elements = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    assert raw_parts(b" [ " + comma.join([NAN, *elements, NAN]) + b" ] ") == [NAN, *elements, NAN]


def test_a_body_that_is_no_array_is_its_only_part_without_the_whitespace_around_it() -> None:
    assert raw_parts(b'\r\n {"a": [1, 2]} \t') == [b'{"a": [1, 2]}']


@given(st.lists(JSON_VALUES, max_size=6), st.sampled_from([None, 0, 2]))
def test_the_longest_part_is_the_longest_of_the_parts(values: list[object], indent: int | None) -> None:
    for body in (json.dumps(value, indent=indent).encode() for value in [values, *values]):
        assert longest_part(body) == max(map(len, raw_parts(body)), default=0)


@pytest.mark.parametrize("body", [b"[NaN", b"[NaN,", b"[NaN,]", b"[,NaN]", b"[NaN]]", b"[NaN}", b'["]', b"[NaN] 1"])
def test_an_array_whose_own_syntax_is_wrong_has_no_parts(body: bytes) -> None:
    with pytest.raises(UNDECODABLE):
        raw_parts(body)


@given(st.lists(st.sampled_from([*b'[]{},"\\ aN1:', 0xFF]), max_size=40).map(bytes))
def test_an_array_has_parts_that_are_slices_in_order_or_is_undecodable(inside: bytes) -> None:
    body = b"[" + inside + b"]"
    try:
        parts = raw_parts(body)
    except UNDECODABLE as error:
        assert isinstance(error, msgspec.DecodeError | UnicodeDecodeError)  # noqa: PT017 - both ways are right
        return
    at = 0
    for part in parts:
        assert part
        at = body.index(part, at) + len(part)
