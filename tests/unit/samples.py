"""Events, entries and batches for the unit tests."""

import json
from typing import Any

from hypothesis import strategies as st

from forwarder.feedback import Members, join
from forwarder.queue.stream import Entry
from workers.batch import Batch, Load

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
"""Whatever UTF-8 can carry, so no lone surrogates."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=8,
)

EVENTS = st.fixed_dictionaries(
    {"trace_id": st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), "value": st.integers(-10, 10)},
    optional={
        "weight": st.floats(0, 1) | st.integers(0, 1),
        "text": TEXT,
        "metadata": st.dictionaries(TEXT, JSON_VALUES, max_size=4),
    },
)
"""Valid events as Python values, in the canonical form: nothing null, no 5.0."""


def event(trace_id: str = "t1", value: Any = 1, **fields: Any) -> bytes:  # noqa: ANN401 - also what is not valid
    """One event's bytes."""
    return json.dumps({"trace_id": trace_id, "value": value, **fields}).encode()


def array(*events: bytes) -> bytes:
    """The body that holds these events."""
    return b"[" + b",".join(events) + b"]"


def numbered(count: int) -> list[bytes]:
    """So many events, each with a trace id of its own."""
    return [event(f"t{index}") for index in range(count)]


def entry(body: bytes | None, number: int = 1, **fields: bytes) -> Entry:
    """A stream entry as it is read; without a field `body` for None."""
    kept = {name.encode(): value for name, value in fields.items()}
    return Entry(f"1700000000000-{number}".encode(), kept if body is None else {b"body": body, **kept})


def load(events: list[bytes], number: int = 1) -> Load:
    """An entry that can travel."""
    return Load(entry(array(*events), number), join(events))


def batch(*sizes: int) -> Batch:
    """A batch of entries of these sizes, whose events are numbered through."""
    events, loads = iter(numbered(sum(sizes))), []
    for number, size in enumerate(sizes, 1):
        loads.append(load([next(events) for _ in range(size)], number))
    return Batch(loads)


def parsed(members: Members) -> list[Any]:
    """The events of joined members, read by the standard library: an independent witness."""
    events: list[Any] = json.loads(b"[" + members.joined + b"]")
    return events
