"""Loads of entries of any sizes."""

import json

from hypothesis import strategies as st

from tests.unit.samples import load
from workers.batch import BRACKETS, Capacity, Load

SIZES = st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=5), min_size=1, max_size=20)
"""Entries, each as the lengths of the padding of its events."""

BATCH_SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=6)
"""Batches, as the number of events of each entry."""


def loads_of(sizes: list[list[int]]) -> list[Load]:
    """Entries whose events are all different and of the sizes given."""
    loads, serial = [], 0
    for number, paddings in enumerate(sizes, 1):
        events = []
        for padding in paddings:
            events.append(json.dumps([serial, "é" * padding], ensure_ascii=False).encode())
            serial += 1
        loads.append(load(events, number))
    return loads


def all_events(loads: list[Load]) -> list[object]:
    """Their events, in order."""
    return [one for each in loads for one in json.loads(b"[" + each.members.joined + b"]")]


def roomy_for(loads: list[Load], max_events: int, max_bytes: int) -> Capacity:
    """The capacity, widened until every entry fits by itself, which `add` asks for."""
    longest = max(len(each.members.joined) for each in loads) + BRACKETS
    return Capacity(max(max_events, *(each.members.count for each in loads)), max(max_bytes, longest))
