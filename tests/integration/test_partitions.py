"""A destination whose events are spread over several streams, each with its drains, dead letters and books."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from forwarder.cli.app import app
from forwarder.dead.selection import place
from forwarder.feedback import Members
from forwarder.queue.chunk import Chunk
from forwarder.queue.keys import Keys
from forwarder.queue.pause import end_pause, set_pause
from forwarder.queue.scripts import run
from forwarder.queue.stream import new_chunk_id
from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.letters import bury
from tests.support.rig import Rig
from tests.support.waiting import eventually

COUNT = 3


@pytest.fixture
def rig(start_rig: StartRig) -> Rig:
    return start_rig(FORWARDER_PARTITIONS=str(COUNT), FORWARDER_DRAIN_IDLE_S="0.3")


def each(count: int = COUNT) -> list[Keys]:
    return [Keys("default", partition) for partition in range(count)]


def run_cli(rig: Rig, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=rig.environment)


def answer(rig: Rig, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    done = run_cli(rig, *arguments, "--json")
    assert done.stdout, done.output
    return json.loads(done.stdout)


def spread(rig: Rig, count: int) -> None:
    """Events by direct calls, one entry each, until every partition has some."""
    with rig.client() as client:
        for number in range(count):
            client.send(trace_id=f"t-{number}", value=1)


def lengths(rig: Rig, count: int = COUNT) -> list[int]:
    return [int(rig.redis.xlen(keys.events)) for keys in each(count)]


def assert_all_arrived(rig: Rig, count: int) -> None:
    assert eventually(lambda: rig.books()["delivered"] == count, 60), rig.log.read_text()[-4000:]
    assert rig.sandbox.counts()["distinct_trace_ids"] == count
    rig.assert_books_close()


def test_every_producer_spreads_a_pause_holds_all_and_one_worker_drains_all(rig: Rig) -> None:
    run(rig.redis, set_pause(rig.keys, "maintenance", None))
    spread(rig, 60)
    with rig.client(mode="buffered") as buffered, Ingest(rig) as ingest:
        for number in range(20):
            buffered.send(trace_id=f"buffered-{number}", value=1)
            assert ingest.post({"trace_id": f"ingested-{number}", "value": 1}).status_code == 202
        buffered.flush(20)
        metrics = ingest.http.get("/metrics").text
    assert run_cli(rig, "send", "--trace-id", "sent", "--value", "1").exit_code == 0
    assert all(length > 0 for length in lengths(rig))
    assert 'forwarder_accepted_total{destination="default"} 100.0' in metrics
    assert answer(rig, "status")["default"]["pending"] == 101
    assert rig.sweep().run(spare=True) == {}
    run(rig.redis, end_pause(rig.keys))
    rig.start_worker()
    assert_all_arrived(rig, 101)
    partitions = answer(rig, "audit")["default"]["partitions"]
    assert len(partitions) == COUNT
    assert all(one["closes"] for one in partitions)


def test_what_lies_in_partitions_beyond_a_lower_number_is_drained_and_counted(rig: Rig) -> None:
    spread(rig, 40)
    rig.redis.xadd(Keys("default", 5).events, {"body": '{"trace_id":"raw","value":1}'})
    rig.variables["FORWARDER_PARTITIONS"] = "1"
    assert [keys.partition for keys in rig.partitions()] == [0, 1, 2, 5]
    rig.start_worker()
    assert_all_arrived(rig, 41)


def test_an_append_that_is_repeated_finds_its_partition_whatever_their_number(rig: Rig) -> None:
    for _ in range(20):
        chunk = Chunk("default", new_chunk_id(COUNT), Members(b'{"trace_id":"a","value":1}', 1), "", 1)
        first = run(rig.redis, chunk.step("feedback:", rig.settings.caps, 2))
        rig.variables["FORWARDER_PARTITIONS"] = "7"
        assert run(rig.redis, chunk.step("feedback:", rig.settings.caps, 3)) == first
    assert sum(lengths(rig, 7)) == 20


def bury_in_each(rig: Rig, count: int) -> None:
    for keys in each():
        bury(rig.redis, count, first=keys.partition * count, partition=keys.partition)


def test_dead_letters_of_all_partitions_are_listed_grouped_replayed_and_purged(rig: Rig) -> None:
    bury_in_each(rig, 10)
    listed = answer(rig, "dead-letters", "list")
    assert [letter["id"] for letter in listed] == sorted((letter["id"] for letter in listed), key=place)
    assert len(listed) == 30
    assert answer(rig, "dead-letters", "show", listed[-1]["id"])["id"] == listed[-1]["id"]
    assert sum(group["count"] for group in answer(rig, "dead-letters", "groups")) == 30
    assert answer(rig, "replay", "--dry-run")["would_move"] == 30
    assert answer(rig, "replay", "--limit", "17")["moved"] == 17
    replays = answer(rig, "replay", "status")
    assert sum(replay["moved"] for replay in replays) == 17
    last = replays[0]["id"]
    assert answer(rig, "replay", "status", last)["id"] == last
    assert answer(rig, "dead-letters", "purge", "--all", "--yes")["purged"] == 13
    assert sum(lengths(rig)) > 0
    rig.assert_books_close()


def test_a_replay_in_the_background_moves_the_letters_of_all_partitions(rig: Rig) -> None:
    bury_in_each(rig, 10)
    rig.start_worker()
    done = run_cli(rig, "replay", "--background", "--wait", "--yes")
    assert done.exit_code == 0, done.output
    assert_all_arrived(rig, 30)
