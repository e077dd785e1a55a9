"""Dead letters that are exported, imported, grouped and trimmed: nothing silent, nothing twice, books that close."""

import gzip
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forwarder.dead.retention import Retention, is_due, retention, trim
from forwarder.errors import ForwarderError
from forwarder.queue.keys import Keys
from tests.integration.conftest import StartRig
from tests.support.letters import bury
from tests.support.programs import run_program
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually


def forwarder(rig: Rig, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "forwarder.cli", *arguments]
    return subprocess.run(command, env=rig.environment, cwd=ROOT, capture_output=True, text=True, check=False)


def done(rig: Rig, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    finished = forwarder(rig, *arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def trace_ids(rig: Rig) -> list[str]:
    return [json.loads(letter.body)["trace_id"] for letter in rig.dead()]


def always() -> bool:
    return True


# Export and import


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_what_was_exported_and_purged_comes_back_once(rig: Rig, suffix: str) -> None:
    bury(rig.redis, 1_200)
    before = [(letter.body, letter.reason, letter.status, letter.at_ms, letter.source) for letter in rig.dead()]
    file = str(rig.folder / f"dead.{suffix}")
    exported = forwarder(rig, "dead-letters", "export", file)
    assert exported.returncode == 0, exported.stderr
    assert forwarder(rig, "dead-letters", "purge", "--all", "--yes").returncode == 0
    assert rig.dead() == []
    assert done(rig, "dead-letters", "import", file) == {"imported": 1_200, "present": 0}
    assert done(rig, "dead-letters", "import", file) == {"imported": 0, "present": 1_200}
    assert [(letter.body, letter.reason, letter.status, letter.at_ms, letter.source) for letter in rig.dead()] == before
    rig.assert_books_close()


def test_an_export_replaces_no_file_and_a_filter_chooses(rig: Rig) -> None:
    bury(rig.redis, 30)
    file = rig.folder / "dead.jsonl.gz"
    assert forwarder(rig, "dead-letters", "export", str(file), "--status", "401").returncode == 0
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert len(lines) == 10
    assert {line["status"] for line in lines} == {401}
    again = forwarder(rig, "dead-letters", "export", str(file))
    assert again.returncode != 0
    assert "--force" in again.stderr


@pytest.mark.parametrize(
    ("line", "problem"),
    [("no json", ":2: "), ('{"body": "x"}', "reason"), ('{"body": "x", "reason": "rejected", "colour": 1}', "colour")],
)
def test_a_line_that_is_no_letter_is_named_and_those_before_it_are_imported(rig: Rig, line: str, problem: str) -> None:
    bury(rig.redis, 1)
    file = rig.folder / "dead.jsonl"
    assert forwarder(rig, "dead-letters", "export", str(file)).returncode == 0
    assert forwarder(rig, "dead-letters", "purge", "--all", "--yes").returncode == 0
    file.write_text(file.read_text() + line + "\n")
    finished = forwarder(rig, "dead-letters", "import", str(file))
    assert finished.returncode != 0
    assert f"{file}:2: " in finished.stderr
    assert problem in finished.stderr
    assert "Traceback" not in finished.stderr
    assert trace_ids(rig) == ["t0"]


def test_a_damaged_file_is_refused(rig: Rig) -> None:
    bury(rig.redis, 500)
    for suffix in ("gz", "zst"):
        file = rig.folder / f"dead.jsonl.{suffix}"
        assert forwarder(rig, "dead-letters", "export", str(file)).returncode == 0
        file.write_bytes(file.read_bytes()[:-20])
        finished = forwarder(rig, "dead-letters", "import", str(file))
        assert finished.returncode != 0
        assert "damaged or cut off" in finished.stderr, finished.stderr


# Groups


def test_similar_errors_are_one_group_with_an_example(rig: Rig) -> None:
    bury(rig.redis, 300)
    groups = done(rig, "dead-letters", "groups")
    assert [(group["status"], group["count"]) for group in groups] == [(400, 100), (401, 100), (402, 100)]
    assert groups[0]["sources"] == ["web"] or "web" in groups[0]["sources"]


# Retention


def kept(folder: Path | None, age_s: float | None = None, count: int | None = None) -> Retention:
    return Retention(age_s, count, folder)


def test_letters_beyond_the_number_are_written_to_a_file_and_counted_as_purged(rig: Rig) -> None:
    bury(rig.redis, 1_250)
    policy = kept(rig.folder / "old", count=1_000)
    assert is_due(rig.redis, rig.keys, policy)
    trimmed = trim(rig.redis, rig.keys, policy, always)
    assert trimmed.counts == {"count": 250}
    assert trimmed.file
    written = [json.loads(json.loads(line)["body"])["trace_id"] for line in trimmed.file.read_text().splitlines()]
    assert written == [f"t{number}" for number in range(250)], "the oldest go"
    assert trace_ids(rig) == [f"t{number}" for number in range(250, 1_250)]
    assert (rig.books()["purged"], rig.books()["purged:count"]) == (250, 250)
    rig.assert_books_close()
    assert not is_due(rig.redis, rig.keys, policy)
    assert done(rig, "dead-letters", "import", str(trimmed.file)) == {"imported": 250, "present": 0}


def test_letters_beyond_the_age_go_and_younger_ones_stay(rig: Rig) -> None:
    rig.redis.xadd(rig.keys.dead, {"body": "{}", "reason": "rejected"}, id="1-1")
    rig.redis.hincrby(rig.keys.ledger, "dead_lettered", 1)
    rig.redis.hincrby(rig.keys.ledger, "accepted", 1)
    bury(rig.redis, 10)
    assert trim(rig.redis, rig.keys, kept(None, age_s=3_600), always).counts == {"age": 1}
    assert len(rig.dead()) == 10
    rig.assert_books_close()


def test_what_is_trimmed_is_read_by_nobody_else_and_partitions_do_not_share_a_file(rig: Rig) -> None:
    folder = rig.folder / "old"
    for partition in (0, 1):
        bury(rig.redis, 10, partition=partition)
        assert trim(rig.redis, Keys(partition=partition), kept(folder, count=0), always).counts == {"count": 10}

    assert [len(file.read_text().splitlines()) for file in folder.iterdir()] == [10, 10]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_cannot_be_written_is_not_trimmed(rig: Rig) -> None:
    bury(rig.redis, 10)
    (rig.folder / "file").write_text("in the way")
    with pytest.raises(ForwarderError, match="FORWARDER_DEAD_EXPORT_DIR"):
        trim(rig.redis, rig.keys, kept(rig.folder / "file", count=0), always)
    assert len(rig.dead()) == 10


def test_what_is_kept_is_shared_by_partitions_and_none_of_them_is_left_with_nothing(rig: Rig) -> None:
    settings = rig.settings.model_copy(update={"dead_max_count": 3, "partitions": 2})
    assert retention(settings, "default").max_count == 2
    assert retention(settings.model_copy(update={"dead_max_count": 0}), "default").max_count == 0


def test_without_a_setting_nothing_is_ever_trimmed(rig: Rig) -> None:
    bury(rig.redis, 10)
    assert not is_due(rig.redis, rig.keys, retention(rig.settings, "default"))


def test_a_trim_that_takes_long_leaves_the_rest_to_the_next(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DEAD_MAX_COUNT="100")
    bury(rig.redis, 600)

    done = run_program(rig, "from workers import jobs\njobs.TRIM_S = 0\nsay(jobs.trim('default'))")

    assert done.stdout.strip() == "trimmed 0", done.stderr
    assert len(rig.dead()) == 600
    assert not rig.redis.exists(rig.keys.trimming), "the next sweep asks for another"


def test_workers_trim_by_themselves(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DEAD_MAX_COUNT="100")
    bury(rig.redis, 600)
    rig.start_worker()
    assert eventually(lambda: len(rig.dead()) == 100)
    assert eventually(lambda: rig.logged("trimmed"))
    (file,) = (rig.settings.data_dir / "dead-letters").iterdir()
    assert len(file.read_text().splitlines()) == 500
    rig.assert_books_close()
