"""The body of a PUT."""

import msgspec
import pytest

from forwarder.answers import Refused
from forwarder.sandbox.updates import Update, parse_update


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"value":5}', Update(5)),
        (b'{"value":-5.0,"weight":null,"metadata":null}', Update(-5)),
        (b'{"value":0,"weight":1,"metadata":{"a":[1]}}', Update(0, 1.0, '{"a":[1]}')),
    ],
)
def test_what_is_taken(body: bytes, expected: Update) -> None:
    assert parse_update(body) == expected


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"", None, "is not JSON"),
        (b"\xff", None, "is not JSON"),
        (b"[]", None, "must be an object with value"),
        (b"{}", "value", "is required"),
        (b'{"value":true}', "value", "must be an integer"),
        (b'{"value":"5"}', "value", "must be an integer"),
        (b'{"value":11}', "value", "must be an integer from -10 to 10"),
        (b'{"value":1.5}', "value", "must be an integer from -10 to 10, got 1.5"),
        (b'{"value":1,"weight":1.01}', "weight", "from 0 to 1"),
        (b'{"value":1,"weight":"1"}', "weight", "a finite number"),
        (b'{"value":1,"metadata":[]}', "metadata", "must be an object"),
        (b'{"value":1,"trace_id":"t"}', "trace_id", "is not a known field; known are value, weight, metadata"),
    ],
)
def test_what_is_refused_names_its_field(body: bytes, param: str | None, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_update(body)
    error = msgspec.json.decode(refused.value.reply.body)["error"]
    assert (refused.value.reply.status, error["param"]) == (400, param)
    assert said in error["message"]
