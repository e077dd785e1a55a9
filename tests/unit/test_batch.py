import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.feedback import join
from forwarder.queue.flow import Size
from tests.support.loads import BATCH_SIZES
from tests.unit.samples import array, batch, entry, load, numbered
from workers.batch import BRACKETS, Batch, Capacity, Load, Piece
from workers.coalesce import pack

# Batch and Piece


def test_a_batch_joins_the_bytes_of_its_entries_untouched() -> None:
    first, second = [b'{ "a" : 1 }', b'{"b":2}'], [b"{\n}"]
    assert Batch([load(first, 1), load(second, 2)]).body == array(*first, *second)


def test_the_id_of_a_batch_is_stable_and_made_of_its_entries_ids_in_order() -> None:
    one, two = load(numbered(1), 1), load(numbered(1), 2)
    assert Batch([one, two]).id == Batch([one, two]).id
    assert re.fullmatch(r"[0-9a-f]{16}", Batch([one]).id)
    others = [Batch([one]), Batch([two]), Batch([one, two]), Batch([two, one]), Batch([load(numbered(1), 12)])]
    assert len({other.id for other in others}) == len(others)


@given(BATCH_SIZES)
def test_load_of_names_the_entry_of_each_event(sizes: list[int]) -> None:
    made = batch(*sizes)
    assert [made.load_of(index) for index in range(made.count)] == [
        load_index for load_index, size in enumerate(sizes) for _ in range(size)
    ]


@given(BATCH_SIZES)
def test_events_are_the_single_events_of_the_body_in_order(sizes: list[int]) -> None:
    made = batch(*sizes)
    assert made.events == numbered(sum(sizes))
    assert array(*made.events) == made.body


def pieces_of(piece: Piece) -> list[Piece]:
    """The piece and all that cutting makes of it."""
    if piece.count == 1:
        return [piece]
    first, second = piece.halves()
    return [piece, *pieces_of(first), *pieces_of(second)]


def test_the_events_of_a_piece_are_told_load_by_load_with_their_places() -> None:
    made = batch(2, 3, 1)
    assert list(made.by_load(Piece(made, (1, 2, 4, 5)))) == [
        (0, [1], [made.events[1]]),
        (1, [0, 2], [made.events[2], made.events[4]]),
        (2, [0], [made.events[5]]),
    ]


def test_a_batch_is_as_old_as_its_first_entry_and_has_waited_as_long_as_any() -> None:
    events = numbered(1)
    times = [(b"50", b"900"), (b"70", b"800"), (b"60", b"1000")]
    loads = [
        Load(entry(array(*events), number, at=at, queued=queued), join(events))
        for number, (at, queued) in enumerate(times, 1)
    ]
    made = Batch(loads)
    assert (made.at_ms, made.queued_ms) == (50, 800)
    assert [made.loads[0].at_ms, made.loads[1].queued_ms] == [50, 800]


@given(BATCH_SIZES, st.integers(1, 8), st.integers(20, 200))
def test_pieces_are_as_few_as_the_capacity_allows(sizes: list[int], max_events: int, max_bytes: int) -> None:
    made, capacity = batch(*sizes), Capacity(max_events, max_bytes)
    pieces = made.pieces(capacity)
    assert [index for piece in pieces for index in piece.indices] == list(range(made.count))
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        assert piece.count == 1 or capacity.holds(piece.count, len(piece.body) - BRACKETS)
        if after:
            grown = Piece(made, [*piece.indices, after.indices[0]])
            assert not capacity.holds(grown.count, len(grown.body) - BRACKETS)


@pytest.mark.parametrize(("less", "counts"), [(0, [2, 2]), (1, [1, 1, 1, 1])])
def test_a_piece_is_filled_to_the_last_byte(less: int, counts: list[int]) -> None:
    made = batch(1, 3)
    two = len(Piece(made, range(2)).body)
    assert [piece.count for piece in made.pieces(Capacity(10, two - less))] == counts
    assert [piece.count for piece in made.pieces(Capacity(10, len(made.body)))] == [4]
    assert len(made.pieces(Capacity(10, len(made.body) - 1))) == 2


def test_one_event_apart_and_all_others_have_keys_of_their_own() -> None:
    run = Piece(batch(2, 4), range(1, 5))
    pieces = [run, *pieces_of(run)]
    for place, index in enumerate(run.indices):
        one, others = run.apart(place)
        assert list(one.indices) == [index]
        assert list(others.indices) == [other for other in run.indices if other != index]
        assert json.loads(others.body) == [json.loads(run.batch.events[other]) for other in others.indices]
        pieces += [one, others]
    keys = {tuple(piece.indices): piece.key for piece in pieces}
    assert len(set(keys.values())) == len(keys)
    assert {len(key) for key in keys.values()} <= {
        len("0123456789abcdef-1-2"),
        len("0123456789abcdef-0123456789abcdef"),
    }


@given(BATCH_SIZES)
def test_halves_partition_a_piece_evenly(sizes: list[int]) -> None:
    made = batch(*sizes)
    for piece in pieces_of(made.whole()):
        assert json.loads(piece.body) == [json.loads(made.events[index]) for index in piece.indices]
        if piece.count > 1:
            first, second = piece.halves()
            assert [*first.indices, *second.indices] == list(piece.indices)
            assert 0 <= second.count - first.count <= 1


@given(BATCH_SIZES)
def test_each_piece_of_a_batch_has_a_key_of_its_own_that_stays(sizes: list[int]) -> None:
    pieces = pieces_of(batch(*sizes).whole())
    keys = [piece.key for piece in pieces]
    assert len(set(keys)) == len(keys)
    assert keys == [piece.key for piece in pieces_of(batch(*sizes).whole())]


def test_the_whole_goes_under_the_id_of_the_batch() -> None:
    made = batch(2, 3)
    assert made.whole().key == made.id
    assert made.whole().body == made.body
    assert made.whole().count == 5


def test_a_key_fits_any_header() -> None:
    piece = batch(2, 3).whole().halves()[1]
    assert piece.key.isascii()
    assert piece.key.isprintable()
    assert " " not in piece.key


# pack


@given(st.lists(st.integers(0, 80), max_size=40), st.integers(1, 10), st.integers(100, 400))
def test_pack_keeps_every_event_once_in_order_within_the_limits(
    paddings: list[int], max_events: int, max_bytes: int
) -> None:
    events = [json.dumps([index, "x" * padding]).encode() for index, padding in enumerate(paddings)]
    pieces = pack(events, Capacity(max_events, max_bytes))
    assert b",".join(piece.joined for piece in pieces) == b",".join(events)
    for piece in pieces:
        assert 1 <= piece.count == len(json.loads(b"[" + piece.joined + b"]")) <= max_events
        assert len(piece.joined) + BRACKETS <= max_bytes


@given(st.lists(st.integers(0, 80), min_size=1, max_size=40), st.integers(1, 10), st.integers(100, 400))
def test_pack_opens_a_new_piece_only_for_an_event_that_does_not_fit(
    paddings: list[int], max_events: int, max_bytes: int
) -> None:
    events = [b'"' + b"x" * padding + b'"' for padding in paddings]
    pieces = pack(events, Capacity(max_events, max_bytes))
    at = 0
    for piece in pieces[:-1]:
        at += piece.count
        grown = len(piece.joined) + 1 + len(events[at]) + BRACKETS
        assert piece.count == max_events or grown > max_bytes


@pytest.mark.parametrize(
    ("max_bytes", "counts"),
    [(len(b"[22,1]"), [2, 2]), (len(b"[22,1]") - 1, [1, 1, 1, 1]), (len(b"[22]"), [1, 1, 1, 1])],
)
def test_pack_fills_a_piece_to_the_last_byte(max_bytes: int, counts: list[int]) -> None:
    pieces = pack([b"22", b"1"] * 2, Capacity(10, max_bytes))
    assert [piece.count for piece in pieces] == counts


@pytest.mark.parametrize(
    ("events", "member_bytes", "fits"), [(2, 8, True), (3, 8, False), (2, 9, False), (1, 0, True), (3, 9, False)]
)
def test_a_capacity_counts_the_brackets(events: int, member_bytes: int, *, fits: bool) -> None:
    assert Capacity(2, 10).holds(events, member_bytes) is fits


def test_what_refusals_have_taught_narrows_a_capacity_and_never_widens_it() -> None:
    wide = Capacity(500, 1_000)
    assert wide.within(Size()) == wide.within(Size(events=900, bytes=2_000)) == wide
    assert wide.within(Size(events=100)) == Capacity(100, 1_000)
    assert wide.within(Size(bytes=50)) == Capacity(500, 50)


def test_nothing_packs_into_nothing() -> None:
    assert pack([], Capacity(1, 100)) == []
    assert join([]).count == 0
