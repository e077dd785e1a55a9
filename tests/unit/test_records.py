"""Records: what is read from lines, arrays and tables, however the bytes arrive."""

import json
from collections.abc import Iterator
from itertools import islice

import pytest

from forwarder.feedback import Limits
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS
from forwarder.records import Reader, Source
from tests.support.reading import CODEC, EVENT, Blocks, events, flaws, lines, reader, until_broken


def test_lines_become_full_chunks() -> None:
    chunks = list(reader(lines(*[EVENT] * 1_201)).chunks())

    assert [chunk.members.count for chunk in chunks if chunk.members] == [500, 500, 201]
    assert [chunk.last for chunk in chunks] == [500, 1_000, 1_201]


def test_a_chunk_is_no_larger_than_an_entry_may_be() -> None:
    text = "x" * 40_000

    chunks = list(reader(lines(*[{**EVENT, "text": text}] * 10)).chunks())

    assert [chunk.members.count for chunk in chunks if chunk.members] == [6, 4]
    assert all(len(chunk.members.joined) + 2 <= CHUNK_MAX_BYTES for chunk in chunks if chunk.members)


def test_bad_lines_are_named_and_their_neighbours_go_on() -> None:
    data = lines(EVENT, {"trace_id": "t", "value": 11}, EVENT) + b"{oops\n\n   \r\n" + lines(EVENT, {"value": 1})

    chunks = list(reader(data, "jsonl").chunks())

    assert events(chunks) == [EVENT] * 3
    assert flaws(chunks) == [(2, "value"), (4, None), (8, "trace_id")]
    assert [refusal.verbatim for chunk in chunks for refusal in chunk.refused] == [
        b'{"trace_id": "t", "value": 11}',
        b"{oops",
        b'{"value": 1}',
    ]


def test_a_line_may_be_an_array_and_only_its_bad_events_are_refused() -> None:
    chunks = list(reader(lines([EVENT, {"trace_id": "", "value": 1}, EVENT], EVENT)).chunks())

    assert events(chunks) == [EVENT] * 3
    (refusal,) = (refusal for chunk in chunks for refusal in chunk.refused)
    assert (refusal.position, str(refusal.flaw)[:12]) == (1, "[1].trace_id")
    assert refusal.verbatim == b'{"trace_id": "", "value": 1}'


def test_an_array_larger_than_an_entry_is_cut_and_counts_as_done_only_when_all_of_it_is() -> None:
    chunks = list(reader(lines(EVENT, [EVENT] * 1_200, EVENT)).chunks())

    assert [chunk.members.count for chunk in chunks if chunk.members] == [500, 500, 202]
    assert [chunk.last for chunk in chunks] == [1, 1, 3]


def test_two_events_on_a_line_are_not_json_lines() -> None:
    pair = json.dumps(EVENT).encode() + b"," + json.dumps(EVENT).encode()

    chunks = list(reader(lines(EVENT) + pair + b"\n" + lines(EVENT)).chunks())

    assert flaws(chunks) == [(2, None)]
    assert events(chunks) == [EVENT] * 2


def test_what_is_not_canonical_is_written_anew() -> None:
    chunks = list(reader(lines({"trace_id": "t", "value": 5.0, "text": None})).chunks())

    assert [chunk.members.joined for chunk in chunks if chunk.members] == [b'{"trace_id":"t","value":5}']


def test_a_byte_order_mark_and_windows_line_ends_are_tolerated() -> None:
    data = b"\xef\xbb\xbf" + lines(EVENT, EVENT).replace(b"\n", b"\r\n")

    assert events(list(reader(data).chunks())) == [EVENT] * 2


def test_an_event_of_ten_megabytes_is_refused_by_name_and_the_rest_goes_on() -> None:
    chunks = list(reader(lines({**EVENT, "text": "x" * 10_000_000}, EVENT)).chunks())

    assert flaws(chunks) == [(1, "text")]
    assert events(chunks) == [EVENT]


def test_a_line_without_end_stops_the_reading_behind_what_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.records.json_lines.RECORD_MAX_BYTES", 1_000)

    chunks, problem = until_broken(reader(lines(EVENT, EVENT) + b"x" * 1_001, "jsonl"))

    assert events(chunks) == [EVENT] * 2
    assert problem.startswith("line 3 has more than 1,000 bytes")


def test_limits_below_an_entry_leave_the_chunks_full() -> None:
    chunks = list(reader(lines(*[EVENT] * 600), limits=Limits(event_max_bytes=200)).chunks())

    assert [chunk.members.count for chunk in chunks if chunk.members] == [500, 100]


def test_an_array_laid_out_over_lines_is_read_event_by_event_and_loses_its_layout() -> None:
    data = json.dumps([EVENT, {"trace_id": "t", "value": "5"}, EVENT], indent=2).encode()

    chunks = list(reader(data).chunks())

    assert [chunk.members.joined for chunk in chunks if chunk.members] == [
        b'{"trace_id":"t1","value":5},{"trace_id":"t1","value":5}'
    ]
    assert flaws(chunks) == [(2, "value")]
    assert chunks[-1].refused[0].verbatim == b'{"trace_id":"t","value":"5"}'


@pytest.mark.parametrize(
    "bad", [b'{"trace_id":"t","value":NaN}', b'{"trace_id":"\xff","value":1}', b'{"trace_id":"a\x01","value":1}', b"7"]
)
def test_an_element_that_no_event_can_be_does_not_condemn_its_neighbours(bad: bytes) -> None:
    one = json.dumps(EVENT).encode()

    chunks = list(reader(b"[\n" + one + b",\n" + bad + b",\n" + one + b"]").chunks())

    assert events(chunks) == [EVENT] * 2
    assert [position for position, _ in flaws(chunks)] == [2]


@pytest.mark.parametrize(
    ("tail", "problem"),
    [
        (b"", "ends within its array, after event 2"),
        (b', {"trace_id": ', "event 3"),
        (b" {}]", "a comma or the array's end was expected"),
        (b", {bad}, {}]", "event 3"),
        (b", " + b"[" * 100_000, "event 3"),
    ],
)
def test_a_broken_array_is_read_up_to_the_break(tail: bytes, problem: str) -> None:
    one = json.dumps(EVENT).encode()

    chunks, message = until_broken(reader(b"[" + one + b"," + one + tail, "json"))

    assert events(chunks) == [EVENT] * 2
    assert problem in message


def test_an_array_streams_in_bounded_memory() -> None:
    """The array never ends, and yet its first chunks come."""
    one = json.dumps(EVENT).encode()
    endless = Blocks(iter(lambda: b",".join([one] * 1_000) + b",", None))
    endless_array = Blocks(_behind(b"[", endless))

    chunks = islice(Reader(Source(endless_array), CODEC, wanted_format="json").chunks(), 10)

    assert sum(chunk.members.count for chunk in chunks if chunk.members) == 10 * CHUNK_MAX_EVENTS


def _behind(head: bytes, stream: Blocks) -> Iterator[bytes]:
    yield head
    while block := stream.read1(1):
        yield block


def test_a_slow_pipe_is_not_kept_waiting() -> None:
    stream = Blocks(iter([lines(EVENT), lines(EVENT), lines(EVENT)]))

    first = next(Reader(Source(stream), CODEC).chunks())

    assert (stream.reads, first.last) == (1, 1)
