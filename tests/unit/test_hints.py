from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import JSON_VALUES
from workers.hints import named_index


@pytest.mark.parametrize(
    ("body", "index"),
    [
        ({"error": {"param": "[3].value", "message": "must be an integer"}}, 3),
        ({"error": {"param": "3.value"}}, 3),
        ({"error": {"param": "/3/value"}}, 3),
        ({"error": {"param": "3"}}, 3),
        ({"error": {"pointer": "/0/value"}}, 0),
        ({"errors": [{"index": 7}, {"index": 9}]}, 7),
        ({"detail": [{"loc": ["body", 12, "value"], "msg": "Input should be …", "type": "int"}]}, 12),
        ({"details": [{"path": ["events", 0, "value"]}]}, 0),
        ({"error": {"location": "body[4]"}}, 4),
        ({"error": {"field": "5.weight"}}, 5),
        ({"errors": [{"msg": "event [6] is refused"}]}, 6),
        ({"index": 0}, 0),
        ({"index": 4, "message": "refused"}, 4),
        ({"message": "event [17]: value is out of range"}, 17),
        ({"status": "failure", "message": "[2].trace_id: unknown"}, 2),
        ({"error": {"message": "the second event is bad", "param": "value"}}, None),
        ({"error": "no"}, None),
        ({"error": {"param": None, "index": None}}, None),
        ({"index": True}, None),
        ({"index": -1}, None),
        ({"index": 1.5, "errors": [], "detail": "x"}, None),
        ({"message": "at most 500 events"}, None),
        ({"detail": [{"loc": ["body", "value"]}]}, None),
        ({"error": {"param": "[99999999999].value"}}, None),
        ({}, None),
    ],
)
def test_the_event_that_an_answer_names(body: dict[str, Any], index: int | None) -> None:
    assert named_index(body) == index


@given(st.dictionaries(st.sampled_from(["error", "errors", "detail", "index", "param", "loc", "message"]), JSON_VALUES))
def test_whatever_an_answer_holds_it_names_one_event_or_none(body: dict[str, Any]) -> None:
    index = named_index(body)
    assert index is None or index >= 0
