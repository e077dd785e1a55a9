from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from forwarder.feedback import codec
from forwarder.queue.keys import Keys
from forwarder.queue.stream import Entry, Raw, entry_of
from tests.unit.samples import array, event
from workers.admit import admit
from workers.batch import Batch, Capacity, Coalescer, Load
from workers.outcome import Outcome
from workers.settle import settlement
from workers.singles import FEWEST, Singles, fitting, runs

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


@given(st.lists(st.tuples(BODIES, FIELDS), max_size=40))
@example([(event(f"t{number}"), counted()) for number in range(20)])
def test_what_goes_as_singles_is_what_would_travel_one_by_one(made: list[tuple[bytes, tuple[bytes, ...]]]) -> None:
    raws = [raw(number, body, *fields) for number, (body, fields) in enumerate(made)]
    found = list(runs(raws, codec(), WIDE))
    assert [one for _, run in found for one in run] == raws
    for single, run in found:
        if single:
            assert all(isinstance(admit(entry_of(one), codec(), WIDE), Load) for one in run)


def test_a_run_of_plain_valid_entries_goes_as_singles_and_a_short_one_or_a_flawed_one_does_not() -> None:
    good = [raw(number, event(f"t{number}"), *counted()) for number in range(FEWEST)]
    assert [single for single, _ in runs(good, codec(), WIDE)] == [True]
    assert [single for single, _ in runs(good[1:], codec(), WIDE)] == [False]
    assert [single for single, _ in runs([*good, raw(99, event("x", 11))], codec(), WIDE)] == [False]
    assert [single for single, _ in runs(good, codec(), Capacity(500, len(event("t0"))))] == [False]


def _ones(raws: list[Raw]) -> list[Any]:
    return [admit(entry_of(one), codec(), WIDE) for one in raws]


@given(st.lists(st.sampled_from([(), counted(), counted(b"source", b"shop")]), min_size=1, max_size=12))
def test_a_batch_of_singles_is_the_batch_of_its_entries(fields: list[tuple[bytes, ...]]) -> None:
    raws = [raw(number, event(f"t{number}"), *more) for number, more in enumerate(fields)]
    bundled, plain = Batch([Singles(raws)]), Batch(_ones(raws))
    assert (bundled.id, bundled.body, bundled.count) == (plain.id, plain.body, plain.count)
    assert (bundled.at_ms, bundled.queued_ms, bundled.attempts) == (plain.at_ms, plain.queued_ms, plain.attempts)
    assert (bundled.loads, bundled.events, bundled.entry_ids) == (plain.loads, plain.events, plain.entry_ids)
    steps = [settlement(Keys(), "token", [Outcome(batch)]) for batch in (bundled, plain)]
    assert list(steps[0].args) == list(steps[1].args)
    left = [Outcome(batch, rest=[batch.whole().halves()[0]] if batch.count > 1 else []) for batch in (bundled, plain)]
    assert [list(settlement(Keys(), "token", [one]).args) for one in left[:1]] == [
        list(settlement(Keys(), "token", [one]).args) for one in left[1:]
    ]


@given(st.lists(st.integers(2, 40), min_size=1, max_size=20), st.integers(0, 25), st.integers(0, 400))
def test_as_many_fit_as_the_batch_has_room_for(sizes: list[int], events: int, size: int) -> None:
    raws = [raw(number, b"x" * length) for number, length in enumerate(sizes)]
    fit = fitting(raws, events, size)
    joined = [len(b",".join([one[1][1] for one in raws[:count]])) for count in range(len(raws) + 1)]
    assert fit <= events
    assert joined[fit] <= size or fit == 0
    assert fit == min(events, len(raws)) or joined[fit + 1] > size


def test_singles_fill_an_open_batch_to_the_brim() -> None:
    coalescer = Coalescer(Capacity(5, 1_048_576), 50)
    raws = [raw(number, event(f"t{number}")) for number in range(9)]
    assert coalescer.free == (5, 1_048_574)
    assert coalescer.add(Load(Entry(b"1-1", {}), Singles(raws[:2]).members), 0) == []
    (full,) = coalescer.add(Singles(raws[: fitting(raws, *coalescer.free)]), 0)
    assert full.count == 5
    assert coalescer.shut() == []
