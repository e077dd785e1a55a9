"""JSON lines, arrays and CSV: which it is, and that each gives the same events."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.records import Reader, Source, UnreadableInput
from forwarder.records import source as source_module
from forwarder.records.source import Format, detect
from tests.support.reading import CODEC, FORMATS, Blocks, events, flaws, lines, reader, until_broken


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
