"""The buffer: everything that was taken comes out once, in order, in chunks within their bounds, whatever is done."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from forwarder.client.buffer import OBJECT_BYTES, Added, Buffer
from forwarder.feedback import split
from forwarder.queue.chunk import Chunk
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS


class Clock:
    """A clock that is set by hand (ms)."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


def event(number: int, size: int = 0) -> bytes:
    return msgspec.json.encode({"trace_id": f"t{number}", "value": 1, "text": "x" * size})


def buffer(max_events: int = 10_000, max_bytes: int = 10_000_000, clock: Clock | None = None) -> Buffer:
    return Buffer("shop", max_events, max_bytes, clock or Clock())


def test_500_events_make_a_chunk_and_the_rest_waits_for_its_time() -> None:
    clock = Clock()
    full = buffer(clock=clock)
    added = [full.add("default", event(number)) for number in range(CHUNK_MAX_EVENTS + 1)]
    assert added == [Added.OPEN] * (CHUNK_MAX_EVENTS - 1) + [Added.SEALED, Added.OPEN]
    (chunk,) = full.take(10_000)
    assert (chunk.destination, chunk.source, chunk.at_ms, chunk.members.count) == ("default", "shop", 1_000, 500)
    clock.now_ms = 1_049
    full.seal_due(50)
    assert (full.take(10_000), full.age_ms()) == ([], 49)
    clock.now_ms = 1_050
    full.seal_due(50)
    assert [one.members.joined for one in full.take(10_000)] == [event(500)]
    assert (full.events, full.held_bytes, full.age_ms()) == (0, 0, None)


def test_a_chunk_is_no_larger_than_256_kib_unless_one_event_is() -> None:
    full = buffer()
    sizes = [100_000, 100_000, 100_000, 262_100, 10]
    for number, size in enumerate(sizes):
        full.add("default", event(number, size))
    full.seal_all()
    chunks = full.take(10_000)
    assert [chunk.members.count for chunk in chunks] == [2, 1, 1, 1]
    assert all(len(chunk.members.joined) <= CHUNK_MAX_BYTES for chunk in chunks)


def test_each_chunk_has_the_time_of_its_first_event_and_a_name_of_its_own() -> None:
    clock = Clock()
    full = buffer(clock=clock)
    for number in range(CHUNK_MAX_EVENTS * 2):
        clock.now_ms = 1_000 + number
        full.add("default", event(number))
    first, second = full.take(10_000)
    assert (first.at_ms, second.at_ms) == (1_000, 1_500)
    assert first.chunk_id != second.chunk_id


@pytest.mark.parametrize(("max_events", "max_bytes"), [(3, 10_000), (100, 3 * (len(event(0)) + OBJECT_BYTES))])
def test_beyond_its_bound_it_takes_nothing(max_events: int, max_bytes: int) -> None:
    full = buffer(max_events, max_bytes)
    assert [full.add("default", event(number)) for number in range(4)] == [Added.OPEN] * 3 + [Added.FULL]
    assert full.fill == 1
    assert full.drop_oldest().members.joined == event(0)
    assert full.add("default", event(4)) is Added.OPEN


def test_an_event_larger_than_the_bound_is_taken_alone() -> None:
    full = buffer(10, 1_024)
    assert full.add("default", event(0, 5_000)) is Added.OPEN
    assert full.add("default", event(1)) is Added.FULL


def test_a_closed_one_takes_nothing_and_is_no_fuller_for_it() -> None:
    closed = buffer()
    closed.add("default", event(0))
    closed.close()
    assert closed.add("default", event(1)) is Added.FULL
    assert closed.fill < 0.01


def test_events_do_not_wait_for_a_clock_that_was_set_back() -> None:
    clock = Clock()
    open_one = buffer(clock=clock)
    open_one.add("default", event(0))
    clock.now_ms = 400
    assert open_one.age_ms() == math.inf
    open_one.seal_due(50)
    assert len(open_one.take(1)) == 1


def test_destinations_can_be_left_or_taken_alone() -> None:
    both = buffer()
    for number in range(CHUNK_MAX_EVENTS):
        both.add("eu", event(number))
        both.add("us", event(number))
    assert [chunk.destination for chunk in both.take(1, without=["eu"])] == ["us"]
    assert both.take(1, only=["us"]) == []
    assert [chunk.destination for chunk in both.take(1, only=["eu"])] == ["eu"]


def test_a_chunk_that_may_have_been_stored_is_dropped_whole() -> None:
    full = buffer()
    for number in range(CHUNK_MAX_EVENTS):
        full.add("default", event(number))
    chunks = full.take(1)
    full.restore(chunks)
    assert full.drop_oldest() == chunks[0]
    assert full.events == 0


class Journey(RuleBasedStateMachine):
    """Any order of what is done to a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.buffer = buffer(2_000, 1_000_000, self.clock)
        self.inside: dict[str, list[bytes]] = {"eu": [], "us": []}
        self.taken: list[Chunk] = []
        self.number = 0

    @rule(destination=st.sampled_from(["eu", "us"]), count=st.integers(1, 600), size=st.sampled_from([0, 1_000]))
    def add(self, destination: str, count: int, size: int) -> None:
        for _ in range(count):
            self.number += 1
            made = event(self.number, size)
            if self.buffer.add(destination, made) is not Added.FULL:
                self.inside[destination].append(made)

    @rule()
    def time_passes(self) -> None:
        self.clock.now_ms += 50
        self.buffer.seal_due(50)

    @rule(most=st.integers(1, 1_500), without=st.sets(st.sampled_from(["eu", "us"])))
    def take(self, most: int, without: set[str]) -> None:
        for chunk in self.buffer.take(most, without=without):
            self._out(chunk)
            self.taken.append(chunk)

    @rule()
    def restore(self) -> None:
        for chunk in self.taken:
            self.inside[chunk.destination][:0] = split(chunk.members.joined)
        back, self.taken = self.taken, []
        self.inside = {name: sorted(events, key=_number) for name, events in self.inside.items()}
        self.buffer.restore(back)

    @rule()
    def drop(self) -> None:
        if self.buffer.events:
            self._out(self.buffer.drop_oldest())

    @invariant()
    def counts_are_right(self) -> None:
        events = [one for events in self.inside.values() for one in events]
        assert self.buffer.events == len(events)
        assert self.buffer.held_bytes == sum(len(one) + OBJECT_BYTES for one in events)

    def teardown(self) -> None:
        self.buffer.seal_all()
        for chunk in self.buffer.take(10**9):
            self._out(chunk)
        assert self.inside == {"eu": [], "us": []}

    def _out(self, chunk: Chunk) -> None:
        for one in split(chunk.members.joined):
            self.inside[chunk.destination].remove(one)
        assert chunk.members.count <= CHUNK_MAX_EVENTS


def _number(made: bytes) -> int:
    return int(msgspec.json.decode(made)["trace_id"][1:])


TestJourney = Journey.TestCase


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=50))
def test_order_is_kept(sizes: list[int]) -> None:
    ordered = buffer()
    events = [event(number, size) for number, size in enumerate(sizes)]
    for one in events:
        ordered.add("default", one)
    ordered.seal_all()
    assert [one for chunk in ordered.take(10_000) for one in split(chunk.members.joined)] == events
