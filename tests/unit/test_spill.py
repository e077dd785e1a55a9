"""The spill file: what is put in comes out, oldest first, once; whatever becomes of the processes that use it."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import SpillFull, SpillUnavailable
from forwarder.feedback import Members
from forwarder.queue.caps import Caps
from forwarder.queue.chunk import Chunk
from forwarder.spill import schema
from forwarder.spill.file import SpillFile
from tests.support.waiting import eventually

BY_AN_OLDER_RELEASE = """
INSERT INTO chunks (key_prefix, chunk_id, destination, source, at_ms, events, doubtful_from_ms, body)
VALUES ('feedback:', ?, 'default', 'shop', 1, 1, 0, x'7b7d')"""
FORK = multiprocessing.get_context("fork")


def chunk(number: int, *, to: str = "default", at_ms: int | None = None, size: int = 20) -> Chunk:
    body = b'{"trace_id":"t%d","value":1,"text":"%s"}' % (number, b"x" * size)
    return Chunk(to, f"c{number}", Members(body, 1), "shop", number if at_ms is None else at_ms)


def opened(path: Path, *, max_bytes: int = 1_048_576, key_prefix: str = "feedback:", ttl_s: int = 60) -> SpillFile:
    return SpillFile(path, max_bytes=max_bytes, key_prefix=key_prefix, dedupe_ttl_s=ttl_s)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spill.sqlite3"


@pytest.fixture
def spill(path: Path) -> Iterator[SpillFile]:
    file = opened(path)
    yield file
    file.close()


def test_a_file_that_nobody_has_written_is_empty_and_is_not_made_by_looking(spill: SpillFile) -> None:
    assert spill.take(10) == []
    assert spill.take_drops() == {}
    assert (spill.count().chunks, spill.count().oldest_ms) == (0, None)
    assert not spill.path.exists()


@given(st.permutations(range(6)))
def test_chunks_come_out_as_they_went_in_the_oldest_first(order: list[int]) -> None:
    path = Path(f"spill-{'-'.join(map(str, order))}.sqlite3")  # in the test's own folder
    path.unlink(missing_ok=True)
    spill = opened(path)
    for number in order:
        spill.put([chunk(number)])
    assert [one for _ in range(3) for one in spill.take(2)] == [chunk(number) for number in range(6)]
    assert spill.take(2) == []
    spill.close()


def test_a_chunk_keeps_the_spans_in_which_its_events_were_handed_over(spill: SpillFile) -> None:
    traced = replace(chunk(1), members=Members(b"{}", 1, ("00-a-b-01", "00-c-d-01")))
    spill.put([traced, chunk(2)])
    first, second = spill.take(2)
    assert (first.members, second.members) == (traced.members, chunk(2).members)


def test_a_file_of_a_release_that_kept_no_spans_is_used_further_on_by_it_and_by_us(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as older:
        older.executescript(schema.TABLES.replace(",\n  traceparents TEXT NOT NULL DEFAULT ''", ""))
        older.execute(BY_AN_OLDER_RELEASE, ("c1",))
    spill = opened(path)
    assert [one.chunk_id for one in spill.take(10)] == ["c1"]
    with sqlite3.connect(path) as older:
        older.execute(BY_AN_OLDER_RELEASE, ("c2",))
    assert [(one.chunk_id, one.members.traceparents) for one in spill.take(10)] == [("c2", ())]
    spill.close()


def test_a_chunk_that_is_done_is_gone_and_one_that_is_put_twice_is_there_once(spill: SpillFile) -> None:
    spill.put([chunk(1), chunk(2)])
    spill.put([chunk(1)])
    assert (spill.count().chunks, spill.count().events, spill.count().oldest_ms) == (2, 2, 1)
    spill.done(spill.take(1))
    spill.release(spill.take(9))
    assert spill.take(9) == [chunk(2)]


def test_a_chunk_that_was_given_back_unsent_is_as_certain_as_before(spill: SpillFile) -> None:
    spill.put([chunk(1)])
    spill.release(spill.take(1))
    assert spill.take(1)[0].doubtful_from_ms == 0


def test_a_chunk_whose_append_had_no_answer_keeps_its_first_doubt(spill: SpillFile) -> None:
    doubted = chunk(1).doubted(5_000, Caps(dedupe_ttl_s=60))
    assert doubted.doubtful_from_ms == 65_000
    assert doubted.doubted(9_000, Caps()) == doubted
    spill.put([doubted])
    spill.release(spill.take(1))
    assert spill.take(1) == [doubted]


def test_the_doubt_of_the_first_claim_that_ran_out_stays_whoever_claims_next(path: Path, spill: SpillFile) -> None:
    patient = opened(path, ttl_s=3_600)
    spill.put([chunk(1)])
    spill.take(1, claim_s=0)
    (second,) = patient.take(1, claim_s=0)
    (third,) = patient.take(1, claim_s=0)
    assert second.doubtful_from_ms == third.doubtful_from_ms > 0
    patient.close()


def test_a_claim_that_ran_out_leaves_the_chunk_to_the_next_one_in_doubt(spill: SpillFile) -> None:
    spill.put([chunk(1)])
    (first,) = spill.take(1, claim_s=0)
    (second,) = spill.take(1)
    assert first.doubtful_from_ms == 0
    assert second == replace(first, doubtful_from_ms=second.doubtful_from_ms)
    assert second.doubtful_from_ms > time.time_ns() // 1_000_000


@pytest.mark.parametrize(("doubtful_from_ms", "flag"), [(0, 0), (1_000, 1), (1_001, 0)])
def test_an_append_is_counted_as_ambiguous_from_when_its_trace_may_be_gone(doubtful_from_ms: int, flag: int) -> None:
    step = replace(chunk(1), doubtful_from_ms=doubtful_from_ms).step("feedback:", Caps(), now_ms=1_000)
    assert step.args[7] == flag
    assert list(step.args[1:4]) == [1, 1, "shop"]


def test_a_destination_that_refuses_is_left_out(spill: SpillFile) -> None:
    spill.put([chunk(1, to="eu"), chunk(2), chunk(3, to="eu")])
    assert spill.take(9, without=["eu"]) == [chunk(2)]
    assert spill.take(9) == [chunk(1, to="eu"), chunk(3, to="eu")]


def test_another_queues_chunks_are_left_to_those_whose_they_are(path: Path, spill: SpillFile) -> None:
    theirs = opened(path, key_prefix="staging:")
    theirs.put([chunk(1)])
    assert spill.take(9) == []
    assert spill.count().chunks == 0
    assert theirs.take(9) == [chunk(1)]
    theirs.close()


def test_a_full_file_says_which_variable_and_what_is_in_it_comes_out(path: Path) -> None:
    spill = opened(path, max_bytes=1_048_576)
    for number in range(15):
        spill.put([chunk(number, size=50_000)])
    with pytest.raises(SpillFull, match="raise FORWARDER_SPILL_MAX_BYTES, or make room"):
        spill.put([chunk(number, size=50_000) for number in range(15, 30)])
    assert path.stat().st_size <= 1_048_576
    for number in range(15):
        (oldest,) = spill.take(1)
        assert oldest.chunk_id == f"c{number}"
        spill.done([oldest])
    assert spill.count().chunks == 0
    spill.put([chunk(1, size=500_000)])
    spill.close()


def test_the_file_shrinks_as_it_is_emptied(path: Path) -> None:
    spill = opened(path)
    spill.put([chunk(number, size=50_000) for number in range(15)])
    spill.done(spill.take(99))
    spill.close()  # the log is written back then
    assert path.stat().st_size < 100_000


def test_nobody_else_may_read_what_people_wrote(spill: SpillFile) -> None:
    spill.put([chunk(1)])
    assert {file.stat().st_mode & 0o077 for file in spill.path.parent.iterdir()} == {0}


def test_a_file_that_is_none_of_ours_is_named_with_what_mends_it(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"a letter to my aunt" * 100)
    with pytest.raises(SpillUnavailable, match=r"spill.sqlite3 cannot be used \(.*set FORWARDER_SPILL_PATH"):
        opened(path).put([chunk(1)])
    assert path.read_bytes().startswith(b"a letter")


def test_a_file_of_another_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(SpillUnavailable, match="another version, 9"):
        opened(path).put([chunk(1)])


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpillUnavailable, match="make its folder writable"):
        opened(tmp_path / "file" / "spill.sqlite3").put([chunk(1)])


def test_counts_of_drops_add_up_until_they_are_taken(spill: SpillFile) -> None:
    spill.note_drops({("default", "buffer_full"): 3})
    spill.note_drops({("default", "buffer_full"): 4, ("eu", "exit"): 1})
    assert spill.take_drops() == {("default", "buffer_full"): 7, ("eu", "exit"): 1}
    assert spill.take_drops() == {}


def _put_many(path: Path, first: int, count: int) -> None:
    spill = opened(path)
    for number in range(first, first + count):
        spill.put([chunk(number)])


def _take_all(path: Path, taken: "multiprocessing.Queue[str]") -> None:
    spill = opened(path)
    while chunks := spill.take(3):
        for one in chunks:
            taken.put(one.chunk_id)
        spill.done(chunks)


def test_several_processes_write_one_file_and_take_each_chunk_once(path: Path) -> None:
    writers = [FORK.Process(target=_put_many, args=(path, 25 * number, 25)) for number in range(4)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    assert [process.exitcode for process in writers] == [0] * 4
    taken = FORK.Queue()
    takers = [FORK.Process(target=_take_all, args=(path, taken)) for _ in range(3)]
    for process in takers:
        process.start()
    names = sorted(taken.get(timeout=60) for _ in range(100))
    for process in takers:
        process.join(60)
    assert names == sorted(f"c{number}" for number in range(100))
    assert taken.empty()


def _put_until_killed(path: Path, told: "multiprocessing.Queue[int]") -> None:
    spill = opened(path)
    for number in range(1_000_000):
        spill.put([chunk(number)])
        told.put(number)


def test_what_was_put_survives_a_kill(path: Path) -> None:
    told = FORK.Queue()
    writer = FORK.Process(target=_put_until_killed, args=(path, told))
    writer.start()
    last = max(told.get(timeout=60) for _ in range(20))
    assert writer.pid
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    names = {one.chunk_id for one in opened(path).take(1_000_000)}
    assert {f"c{number}" for number in range(last + 1)} <= names


def test_a_forked_child_uses_a_connection_of_its_own(spill: SpillFile) -> None:
    spill.put([chunk(1)])
    child = FORK.Process(target=lambda: spill.put([chunk(2)]))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    spill.put([chunk(3)])
    assert eventually(lambda: spill.count().chunks) == 3


def test_each_commit_is_synced_so_that_it_survives_a_power_cut(tmp_path: Path) -> None:
    db = schema.open_file(tmp_path / "spill.sqlite3", 1.0)
    full = 2

    assert db.execute("PRAGMA synchronous").fetchone() == (full,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
