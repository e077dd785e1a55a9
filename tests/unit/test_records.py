"""Records: what is read from lines, arrays and tables, however the bytes arrive."""

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.feedback import Limits, codec
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS
from forwarder.records import Chunk, Reader, Source, UnreadableInput
from forwarder.records import source as source_module
from forwarder.records.source import Format, detect

CODEC = codec(Limits())
EVENT = {"trace_id": "t1", "value": 5}
FORMATS = get_args(Format)


class Blocks:
    """A stream that gives its bytes in the blocks that a test wants."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.reads = 0

    def read1(self, _size: int, /) -> bytes:
        self.reads += 1
        return next(self._blocks, b"")


def reader(data: bytes, wanted_format: Format | None = None, name: str = "", limits: Limits | None = None) -> Reader:
    return Reader(Source(io.BytesIO(data)), codec(limits) if limits else CODEC, name=name, wanted_format=wanted_format)


def events(chunks: list[Chunk]) -> list[dict[str, Any]]:
    joined = b",".join(chunk.members.joined for chunk in chunks if chunk.members)
    found: list[dict[str, Any]] = json.loads(b"[" + joined + b"]")
    return found


def flaws(chunks: list[Chunk]) -> list[tuple[int, str | None]]:
    return [(refusal.position, refusal.flaw.field) for chunk in chunks for refusal in chunk.refused]


def until_broken(source: Reader) -> tuple[list[Chunk], str]:
    """The chunks that come before the input cannot be read on, and why."""
    found = []
    try:
        for chunk in source.chunks():
            found.append(chunk)  # noqa: PERF402 - a list() would lose them when it raises
    except UnreadableInput as error:
        return found, str(error)
    pytest.fail("it was read to its end")


def lines(*members: object) -> bytes:
    return b"".join(json.dumps(member).encode() + b"\n" for member in members)


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


def test_csv_leaves_out_empty_cells_and_reads_metadata_as_json() -> None:
    data = b'trace_id,value,weight,text,metadata\n"a,b",5.0,,,\nt2,-3,0.5,"two\nlines","{""k"": [1]}"\n\nt3,1\n'

    assert events(list(reader(data).chunks())) == [
        {"trace_id": "a,b", "value": 5},
        {"trace_id": "t2", "value": -3, "weight": 0.5, "text": "two\nlines", "metadata": {"k": [1]}},
        {"trace_id": "t3", "value": 1},
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (b"t,11,,,", "value"),
        (b"t,five,,,", "value"),
        (b"t,1e999,,,", "value"),
        (b",1,,,", "trace_id"),
        (b"t,1,2,,", "weight"),
        (b"t,1,,,{", "metadata"),
        (b"t,1,,,7", "metadata"),
        (b"t,1,,\xff,", "text"),
        (b"t,1,,,,6", None),
    ],
)
def test_a_bad_row_is_named_and_kept_as_it_came(row: bytes, field: str | None) -> None:
    chunks = list(reader(b"trace_id,value,weight,text,metadata\nok,1,,,\n" + row + b"\nok,2,,,\n").chunks())

    assert [event["value"] for event in events(chunks)] == [1, 2]
    assert flaws(chunks) == [(3, field)]
    assert chunks[-1].refused[0].verbatim == row


def test_a_refused_row_keeps_the_header_for_the_file_of_refused() -> None:
    table = reader(b"value;trace_id\n1;t\n")
    list(table.chunks())

    assert table.header == b"value;trace_id"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"trace_id,value,score", "unknown columns: 'score'"),
        (b"trace_id,value,value", "repeated columns: 'value'"),
        (b"trace_id,text", "missing columns: 'value'"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(header: bytes, problem: str) -> None:
    _, message = until_broken(reader(header + b"\nt,1,2\n", "csv"))

    assert problem in message


def test_a_quote_that_is_not_closed_stops_the_reading_behind_what_is_good() -> None:
    chunks, message = until_broken(reader(b'trace_id,value\nt1,1\n"t2,1\nt3,1\n'))

    assert [event["trace_id"] for event in events(chunks)] == ["t1"]
    assert message.startswith("row 3 is not CSV")


@pytest.mark.parametrize("wanted", FORMATS)
def test_skip_leaves_out_what_was_sent_before(wanted: Format) -> None:
    given_events = [{"trace_id": f"t{number}", "value": 1} for number in range(1_000)]

    chunks = list(reader(written(given_events, wanted), wanted).chunks(skip=700))

    first = 699 if wanted == "csv" else 700  # the header is row 1
    assert events(chunks) == given_events[first:]
    assert chunks[0].last >= 701


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.jsonl", b"[\n", "jsonl"),
        ("a.NDJSON", b"x", "jsonl"),
        ("a.csv", b"{", "csv"),
        ("a.json", b'{"trace_id":"t"}\n{', "jsonl"),
        ("a.json", b'[\n {"trace_id":"t"}', "json"),
        ("-", b'[{"trace_id":"t"},\n', "json"),
        ("-", b'{\n  "trace_id": "t"', "json"),
        ("-", b'{"trace_id": "t\n{"trace_id": "t"}', "jsonl"),
        ("-", b'[{"a":1}]\n[{"a":1}]', "jsonl"),
        ("-", b'[{"a":1}]', "jsonl"),
        ("-", b'[{"a":1},' + b'{"a":1},' * 9_000, "json"),
        ("-", b"value,trace_id\r\n", "csv"),
        ("-", b'"trace_id";"value"\n', "csv"),
        ("-", b"hello trace_id\n", "jsonl"),
        ("-", b"", "jsonl"),
    ],
)
def test_the_format_is_told_by_the_name_and_the_first_bytes(name: str, head: bytes, expected: str) -> None:
    assert detect(name, head) == expected


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"\xff\xfe{\x00", "UTF-16"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"PK\x03\x04", "CSV"),
        (b"abc\0def", "binary"),
    ],
)
def test_what_is_no_text_is_refused_with_a_hint(head: bytes, problem: str) -> None:
    with pytest.raises(UnreadableInput, match=problem):
        reader(head)


@pytest.mark.parametrize("wanted", ["jsonl", "json"])
@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_nothing_holds_no_events(data: bytes, wanted: Format) -> None:
    assert events(list(reader(data, wanted).chunks())) == []


def test_no_table_has_no_header() -> None:
    _, message = until_broken(reader(b"", "csv"))

    assert "missing columns: 'trace_id', 'value'" in message


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)
valid_events = st.lists(
    st.fixed_dictionaries(
        {"trace_id": texts.filter(bool), "value": st.integers(-10, 10)},
        optional={
            "weight": st.floats(0, 1),
            "text": texts.filter(bool),
            "metadata": st.dictionaries(texts, texts | st.integers(-5, 5), max_size=3),
        },
    ),
    max_size=30,
)


def written(given_events: list[dict[str, Any]], wanted: Format) -> bytes:
    if wanted == "jsonl":
        return lines(*given_events)
    if wanted == "json":
        return json.dumps(given_events, indent=1, ensure_ascii=False).encode()
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, ["trace_id", "value", "weight", "text", "metadata"])
    table.writeheader()
    for event in given_events:
        table.writerow({**event, **({"metadata": json.dumps(event["metadata"])} if "metadata" in event else {})})
    return out.getvalue().encode()


@given(valid_events, st.sampled_from(FORMATS), st.integers(1, 200))
def test_every_format_gives_the_same_events_however_the_bytes_arrive(
    given_events: list[dict[str, Any]], wanted: Format, block_bytes: int
) -> None:
    data = written(given_events, wanted)
    stream = Blocks(iter([data[at : at + block_bytes] for at in range(0, len(data), block_bytes)]))

    chunks = list(Reader(Source(stream), CODEC, wanted_format=wanted).chunks())

    assert events(chunks) == given_events
    assert flaws(chunks) == []


good_or_bad = st.sampled_from(
    [b'{"trace_id":"t","value":1}', b'[{"trace_id":"t","value":1},{}]', b"{", b"", b" ", b"]", b'"', b"\xff", b"null"]
)


@given(st.lists(good_or_bad | st.binary(max_size=12).filter(lambda raw: not set(raw) & {0, 10}), max_size=40))
def test_lines_are_judged_as_if_each_stood_alone(raw_lines: list[bytes]) -> None:
    alone = [CODEC.sift(raw) for raw in raw_lines if raw.strip()]

    chunks = list(Reader(Source(Blocks(iter([b"x\n", *[raw + b"\n" for raw in raw_lines]]))), CODEC).chunks())

    assert sum(chunk.members.count for chunk in chunks if chunk.members) == sum(len(one.good) for one in alone)
    assert len(flaws(chunks)) == 1 + sum(len(one.bad) for one in alone)


def test_record_max_leaves_room_for_the_largest_event_that_can_be_set() -> None:
    from forwarder.settings import Settings  # noqa: PLC0415 - only here

    most = next(rule.le for rule in Settings.model_fields["event_max_bytes"].metadata if hasattr(rule, "le"))

    assert most < source_module.RECORD_MAX_BYTES
