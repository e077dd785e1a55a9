import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.feedback import Limits, codec
from forwarder.queue.accepted import accepted
from forwarder.queue.settlement import Recut
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, Entry
from tests.unit.samples import array, entry, event, numbered, parsed
from workers import admit as admit_module
from workers.admit import LETTERS_PER_RECUT, admit, quarantine
from workers.batch import BRACKETS, Capacity, Load

CODEC = codec()
ROOMY = Capacity(500, 1_048_576)


def admitted(body: bytes, capacity: Capacity = ROOMY) -> Load:
    outcome = admit(entry(body), CODEC, capacity)
    assert isinstance(outcome, Load)
    return outcome


def cut(source: Entry, capacity: Capacity = ROOMY) -> Recut:
    outcome = admit(source, CODEC, capacity)
    assert isinstance(outcome, Recut)
    return outcome


@pytest.mark.parametrize("count", [2, 500])
def test_a_valid_array_travels_untouched(count: int) -> None:
    events = numbered(count)
    load = admitted(array(*events))
    assert load.members.joined == b",".join(events)
    assert load.members.count == count


def test_a_valid_object_travels_untouched() -> None:
    raw = b' { "value": 1, "trace_id": "t" }\n'
    load = admitted(raw)
    assert (load.members.joined, load.members.count) == (raw.strip(), 1)


def test_what_merely_is_not_canonical_travels_in_the_canonical_form() -> None:
    load = admitted(array(event(value=5.0), event(text=None)))
    assert parsed(load.members) == [{"trace_id": "t1", "value": 5}, {"trace_id": "t1", "value": 1}]


def test_an_entry_beyond_the_events_of_a_batch_is_recut_into_pieces_that_fit() -> None:
    recut = cut(entry(array(*numbered(23))), Capacity(10, 1_048_576))
    assert [piece.members.count for piece in recut.pieces] == [10, 10, 3]
    assert b",".join(piece.members.joined for piece in recut.pieces) == b",".join(numbered(23))
    assert (recut.letters, recut.events) == ([], 23)


def test_an_entry_beyond_the_bytes_of_a_batch_is_recut_into_pieces_that_fit() -> None:
    events = [event(f"t{index}", text="x" * 300) for index in range(30)]
    capacity = Capacity(500, 1_024)
    recut = cut(entry(array(*events)), capacity)
    assert b",".join(piece.members.joined for piece in recut.pieces) == b",".join(events)
    assert all(len(piece.members.joined) + BRACKETS <= capacity.max_bytes for piece in recut.pieces)
    assert recut.events == 30


def test_pieces_are_no_larger_than_an_append_would_write() -> None:
    recut = cut(entry(array(*numbered(1_200))), Capacity(1_000, 104_857_600))
    assert [piece.members.count for piece in recut.pieces] == [CHUNK_MAX_EVENTS, CHUNK_MAX_EVENTS, 200]
    large = cut(entry(array(*[event(text="x" * 100_000)] * 12)), Capacity(10, 104_857_600))
    assert all(len(piece.members.joined) + BRACKETS <= CHUNK_MAX_BYTES for piece in large.pieces)


def test_of_a_mixed_array_the_good_travel_and_each_bad_one_is_a_letter_that_says_where_it_came_from() -> None:
    bad = [event(value=11), b'{"trace_id":"\\ud800","value":1}', b"17"]
    source = entry(array(event("a"), bad[0], event("b"), bad[1], bad[2]), source=b"shop", at=b"123", replays=b"2")
    recut = cut(source)
    assert [parsed(piece.members) for piece in recut.pieces] == [[json.loads(event("a")), json.loads(event("b"))]]
    assert [letter.body for letter in recut.letters] == bad
    assert {letter.reason for letter in recut.letters} == {"invalid"}
    assert {(letter.source, letter.at_ms, letter.replays) for letter in recut.letters} == {(b"shop", 123, 2)}
    assert {(letter.entry, letter.attempts, letter.status) for letter in recut.letters} == {(source.id, 0, None)}
    assert recut.letters[0].error.startswith("[1].value: must be an integer")
    assert recut.events == 5


def test_letters_of_a_plain_xadd_carry_the_time_of_the_entry() -> None:
    (letter,) = cut(entry(b"garbage")).letters
    assert letter.at_ms == 1_700_000_000_000


def test_an_entry_without_body_is_one_letter_that_says_so() -> None:
    recut = cut(entry(None, payload=b"x"))
    assert recut.pieces == []
    assert [(letter.body, letter.reason) for letter in recut.letters] == [(b"", "invalid")]
    assert recut.letters[0].error == "the entry has no field `body`"
    assert recut.events == 1


@pytest.mark.parametrize("body", [b"", b"garbage", b"\xff\x00", b"[]", b"[1", b"null", array(event()) + b"x"])
def test_a_body_that_holds_no_event_is_one_letter_with_its_bytes(body: bytes) -> None:
    recut = cut(entry(body))
    assert [(letter.body, letter.reason) for letter in recut.letters] == [(body, "invalid")]
    assert (recut.pieces, recut.events) == ([], 1)


@pytest.mark.parametrize("spare", [0, -1])
def test_an_event_that_no_batch_can_hold_is_too_large_and_its_neighbours_travel(spare: int) -> None:
    large = event("large", text="x" * 2_000)
    capacity = Capacity(500, len(large) + BRACKETS + spare)
    recut = cut(entry(array(event("a"), large, event("b"))), capacity)
    letters = [(letter.body, letter.reason) for letter in recut.letters]
    assert letters == ([] if spare == 0 else [(large, "too_large")])
    assert recut.events == 3
    if spare:
        assert "FORWARDER_BATCH_MAX_BYTES" in recut.letters[0].error
        assert b",".join(piece.members.joined for piece in recut.pieces) == event("a") + b"," + event("b")


def test_an_event_over_its_own_limit_is_invalid_not_too_large() -> None:
    outcome = admit(entry(event(text="x" * 200)), codec(Limits(event_max_bytes=128)), ROOMY)
    assert isinstance(outcome, Recut)
    assert [letter.reason for letter in outcome.letters] == ["invalid"]


def test_more_letters_than_one_step_takes_are_put_back_and_met_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admit_module, "LETTERS_PER_RECUT", 3)
    bad = [event(f"bad{index}", value=11) for index in range(8)]
    waiting, buried, delivered = [array(*bad[:4], event("good"), *bad[4:])], [], []
    for _ in range(10):
        if not waiting:
            break
        outcome = admit(entry(waiting.pop(0)), CODEC, ROOMY)
        if isinstance(outcome, Load):
            delivered += parsed(outcome.members)
            continue
        assert len(outcome.letters) <= 3
        buried += [letter.body for letter in outcome.letters]
        waiting += [b"[" + piece.members.joined + b"]" for piece in outcome.pieces]
    assert buried == bad
    assert delivered == [json.loads(event("good"))]


@given(
    st.lists(st.sampled_from(["good", "bad", "large", "sloppy"]), min_size=1, max_size=30),
    st.integers(1, 8),
)
def test_each_event_of_an_entry_is_in_one_piece_or_one_letter(kinds: list[str], max_events: int) -> None:
    def made(index: int, kind: str) -> bytes:
        values: dict[str, int | float] = {"good": 1, "bad": 11, "large": 1, "sloppy": 1.0}
        return event(f"{kind}{index}", values[kind], text="x" * (900 if kind == "large" else 5))

    events = [made(index, kind) for index, kind in enumerate(kinds)]
    capacity = Capacity(max_events, 800)
    outcome = admit(entry(array(*events)), CODEC, capacity)
    pieces = [outcome.members] if isinstance(outcome, Load) else [piece.members for piece in outcome.pieces]
    letters = [] if isinstance(outcome, Load) else outcome.letters
    names = [f"{kind}{index}" for index, kind in enumerate(kinds)]
    assert [one["trace_id"] for piece in pieces for one in parsed(piece)] == [
        name for name in names if name.startswith(("good", "sloppy"))
    ]
    assert sorted((json.loads(letter.body)["trace_id"], letter.reason) for letter in letters) == sorted(
        (name, "invalid" if name.startswith("bad") else "too_large")
        for name in names
        if name.startswith(("bad", "large"))
    )
    for piece in pieces:
        assert capacity.holds(piece.count, len(piece.joined))
    if isinstance(outcome, Recut):
        assert outcome.events == len(events)


@given(st.binary(max_size=100))
def test_any_body_is_admitted_or_recut_with_nothing_lost(body: bytes) -> None:
    outcome = admit(entry(body), CODEC, ROOMY)
    assert isinstance(outcome, Load) or outcome.events >= 1


# Quarantine


def test_an_entry_that_may_kill_drains_is_buried_event_by_event() -> None:
    suspect = Entry(b"1700000000000-1", {b"body": array(*numbered(2), b"broken"), b"source": b"shop"}, deliveries=6)
    cut = quarantine(suspect, CODEC, whole=False)
    assert (cut.pieces, cut.events) == ([], 3)
    assert {(letter.reason, letter.source) for letter in cut.letters} == {("poison", b"shop")}
    assert sorted(letter.body for letter in cut.letters) == sorted([*numbered(2), b"broken"])
    assert "handed to a drain 6 times" in cut.letters[0].error


def test_one_that_cannot_even_be_taken_apart_is_buried_whole() -> None:
    suspect = Entry(b"1700000000000-1", {b"body": b"[" * 10_000}, deliveries=9)
    cut = quarantine(suspect, CODEC, whole=True)
    assert [(letter.body, letter.reason) for letter in cut.letters] == [(suspect.body, "poison")]


def test_more_events_than_one_step_can_bury_are_met_again() -> None:
    suspect = Entry(b"1700000000000-1", {b"body": array(*numbered(LETTERS_PER_RECUT + 700))}, deliveries=9)
    cut = quarantine(suspect, CODEC, whole=False)
    assert len(cut.letters) == LETTERS_PER_RECUT
    assert sum(piece.members.count for piece in cut.pieces) == 700


def timed(*events: bytes) -> Entry:
    return entry(array(*events), at=b"1000", ats=b"0,5,10,15")


def test_each_piece_and_each_letter_of_a_cut_entry_keeps_its_own_first_time() -> None:
    source = timed(event("a"), event("b", value=99), event("c"), event("d"))
    small = cut(source, Capacity(2, 1_048_576))
    assert [piece.accepted for piece in small.pieces] == [accepted([1_000, 1_010]), accepted([1_015])]
    assert [letter.at_ms for letter in small.letters] == [1_005]


def test_what_is_too_large_or_kills_drains_keeps_its_own_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    source = timed(event("a"), event("b"), event("c", text="x" * 500), event("d"))
    (letter,) = cut(source, Capacity(500, 300)).letters
    assert (letter.reason, letter.at_ms) == ("too_large", 1_010)
    mixed = timed(event("a"), event("b", value=99), event("c"), event("d"))
    assert [letter.at_ms for letter in quarantine(mixed, CODEC, whole=False).letters] == [1_000, 1_010, 1_015, 1_005]
    monkeypatch.setattr(admit_module, "LETTERS_PER_RECUT", 2)
    assert [piece.accepted for piece in quarantine(mixed, CODEC, whole=False).pieces] == [accepted([1_015, 1_005])]


def test_a_letter_of_an_event_that_is_too_large_says_by_how_much() -> None:
    large = event("t", text="x" * 2_000)
    cut = admit(entry(large), CODEC, Capacity(500, 1_024))
    assert isinstance(cut, Recut)
    assert [letter.error for letter in cut.letters] == [
        f"the event has {len(large)} bytes; FORWARDER_BATCH_MAX_BYTES leaves {1_024 - BRACKETS}"
    ]
