from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from forwarder.feedback import codec
from forwarder.queue.columns import Columns
from forwarder.queue.keys import Keys
from forwarder.queue.stream import Entry, Raw, entry_of
from tests.unit.samples import array, event
from workers.admit import admit
from workers.batch import BRACKETS, Batch, Capacity, Load
from workers.coalesce import Coalescer
from workers.outcome import Outcome
from workers.settle import settlement
from workers.singles import FEWEST, Singles, are_singles, fitting, may_follow

WIDE = Capacity(500, 1_048_576)


def raw(number: int, body: bytes, *fields: bytes) -> Raw:
    """An entry as Redis sends it."""
    return [b"1700000000000-%d" % number, [b"body", body, *fields]]


def counted(*more: bytes) -> tuple[bytes, ...]:
    """The fields that an append writes beside the body."""
    return (b"events", b"1", b"at", b"123", *more)


FIELDS = st.sampled_from([(), counted(), counted(b"source", b"shop"), counted(b"replays", b"1"), (b"events", b"2")])
BODIES = st.sampled_from(
    [
        event("a"),
        event("b", 2, text="x"),
        b" " + event("c"),
        array(event("d")),
        event("e", 11),
        b"{}",
        b"{nonsense}",
        b"",
    ]
)


def columns(raws: list[Raw]) -> Columns:
    """The same by columns, as the server's script makes them."""
    fields = [one[1] for one in raws]
    values = list(zip(*[names_and_values[1::2] for names_and_values in fields], strict=True))
    return Columns(tuple(fields[0][::2]), [one[0] for one in raws], values)


def _goes(raws: list[Raw], capacity: Capacity = WIDE) -> bool:
    return are_singles(columns(raws), codec(), capacity)


@given(st.lists(BODIES, min_size=1, max_size=40), FIELDS)
@example([event(f"t{number}") for number in range(20)], counted())
def test_what_goes_as_singles_is_what_would_travel_one_by_one(bodies: list[bytes], fields: tuple[bytes, ...]) -> None:
    raws = [raw(number, body, *fields) for number, body in enumerate(bodies)]
    assert columns(raws).entries() == [entry_of(one) for one in raws]
    if _goes(raws):
        assert all(isinstance(admit(entry_of(one), codec(), WIDE), Load) for one in raws)


def test_plain_valid_entries_go_as_singles_and_flawed_or_tried_ones_do_not() -> None:
    good = [raw(number, event(f"t{number}"), *counted()) for number in range(3)]
    assert _goes(good)
    assert _goes([raw(1, event("a"))])
    assert _goes([raw(1, event("a"), *counted(b"source", b"shop"))])
    assert not _goes([*good, raw(99, event("x", 11), *counted())])
    assert not _goes([*good, raw(99, array(event("x"), event("y")), *counted())])
    assert not _goes([*good, raw(99, event("x"), b"events", b"2", b"at", b"123")])
    assert not _goes([raw(1, event("a"), *counted(b"replays", b"1"))])
    assert not _goes([raw(1, event("a"), b"at", b"123", b"events", b"1")])
    assert _goes(good, Capacity(1, len(event("t0")) + BRACKETS))
    assert not _goes(good, Capacity(500, len(event("t0")) + BRACKETS - 1))
    assert not _goes([raw(0, event("a", text="long")), raw(1, event("b"))], Capacity(500, len(event("b")) + BRACKETS))


def test_columns_are_asked_for_when_single_entries_come_by_the_hundred() -> None:
    assert may_follow([raw(number, event("a")) for number in range(FEWEST)])
    assert not may_follow([raw(number, event("a")) for number in range(FEWEST - 1)])
    assert not may_follow([raw(number, array(event("a"))) for number in range(FEWEST)])
    mixed = [raw(number, event("a")) for number in range(FEWEST)]
    assert not may_follow([*mixed, raw(FEWEST, array(event("a")))]), "the last says how they come now"


def test_columns_are_cut_in_two_and_lose_nothing() -> None:
    whole = columns([raw(number, event(f"t{number}"), *counted()) for number in range(5)])
    first, others = whole.cut(2)
    assert [*first.entries(), *others.entries()] == whole.entries()
    assert (len(first.ids), first.names, others.names) == (2, whole.names, whole.names)


def _ones(raws: list[Raw]) -> list[Any]:
    return [admit(entry_of(one), codec(), WIDE) for one in raws]


@given(st.integers(1, 12), st.sampled_from([(), counted(), counted(b"source", b"shop")]))
def test_a_batch_of_singles_is_the_batch_of_its_entries(count: int, fields: tuple[bytes, ...]) -> None:
    raws = [raw(number, event(f"t{number}"), *fields) for number in range(count)]
    bundled, plain = Batch([Singles(columns(raws))]), Batch(_ones(raws))
    assert (bundled.id, bundled.body, bundled.count) == (plain.id, plain.body, plain.count)
    assert (bundled.at_ms, bundled.queued_ms, bundled.attempts) == (plain.at_ms, plain.queued_ms, plain.attempts)
    assert (bundled.loads, bundled.events, bundled.entry_ids) == (plain.loads, plain.events, plain.entry_ids)
    steps = [settlement(Keys(), "token", [Outcome(batch)]) for batch in (bundled, plain)]
    assert list(steps[0].args) == list(steps[1].args)
    left = [Outcome(batch, rest=[batch.whole().halves()[0]] if batch.count > 1 else []) for batch in (bundled, plain)]
    assert [list(settlement(Keys(), "token", [one]).args) for one in left[:1]] == [
        list(settlement(Keys(), "token", [one]).args) for one in left[1:]
    ]


@given(st.lists(st.integers(2, 40), min_size=1, max_size=20), st.integers(-1, 25), st.integers(-5, 400))
@example([2, 2, 2], -1, 400)
@example([2, 3], 5, 5)
def test_as_many_fit_as_the_batch_has_room_for(sizes: list[int], events: int, size: int) -> None:
    bodies = [b"x" * length for length in sizes]
    fit = fitting(bodies, events, size)
    joined = [len(b",".join(bodies[:count])) for count in range(len(bodies) + 1)]
    assert fit <= max(0, events)
    assert joined[fit] <= size or fit == 0
    assert fit == min(max(0, events), len(bodies)) or joined[fit + 1] > size


def test_singles_fill_an_open_batch_to_the_brim() -> None:
    coalescer = Coalescer(Capacity(5, 1_048_576), 50)
    nine = columns([raw(number, event(f"t{number}")) for number in range(9)])
    assert coalescer.free == (5, 1_048_574)
    assert coalescer.add(Load(Entry(b"1-1", {}), Singles(nine.cut(2)[0]).members), 0) == []
    (full,) = coalescer.add(Singles(nine.cut(fitting(nine.values[0], *coalescer.free))[0]), 0)
    assert full.count == 5
    assert coalescer.shut() == []
