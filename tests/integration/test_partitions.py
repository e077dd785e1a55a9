"""A destination whose events are spread over several streams, each with its drains, dead letters and books."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from forwarder.cli.app import app
from forwarder.console.board import Board
from forwarder.doctor.checks import judge
from forwarder.doctor.facts import gather
from forwarder.feedback import Members
from forwarder.operations.replay_forms import Replay, together
from forwarder.queue.chunk import Chunk
from forwarder.queue.entry_ids import place
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
    done = answer(rig, "replay", "--background", "--wait", "--yes")
    assert (done["state"], done["moved"], done["delivered"], done["under_way"]) == ("done", 30, 30, 0)
    assert sorted(done["ids"]) == sorted(one["id"] for one in answer(rig, "replay", "status"))
    assert_all_arrived(rig, 30)


def test_replays_that_were_begun_together_are_over_when_all_are() -> None:
    def one(replay_id: str, state: str, moved: int, note: str = "") -> Replay:
        blank = Replay.__struct_fields__
        values: dict[str, Any] = dict.fromkeys(blank, 0) | {"kept_examples": [], "ids": [], "note": note}
        return Replay(**values | {"id": replay_id, "state": state, "moved": moved})

    done, running, stopped = one("a", "done", 3), one("b", "running", 4), one("c", "stopped", 5, "canary")
    assert together([done]) is done
    assert together([done, running, stopped]).state == "running"
    both = together([done, stopped])
    assert (both.id, both.state, both.moved, both.each) == ("a", "stopped", 8, ["a", "c"])
    assert both.note == "canary; replays a, c"


def test_the_doctor_looks_at_every_partition(rig: Rig) -> None:
    bury_in_each(rig, 1)
    third = each()[2]
    rig.redis.hincrby(third.ledger, "delivered", 7)
    rig.redis.set(third.lease(4), "somebody")
    rig.redis.hset(each()[1].ledger, "pending", 9)
    found = {one.check: one for one in judge(gather(rig.settings)) if one.level}
    assert "books of default, partition 2" in found
    assert "DOES NOT CLOSE" in found["books of default, partition 2"].what
    assert found["lease 4 of default, partition 2"].mend.startswith(f"DEL {third.lease(4)} ")
    assert "books of default" not in found
    capped = {one.check: one for one in judge(gather(rig.settings.model_copy(update={"backlog_max_events": 9})))}
    assert "9 events wait, and that is the cap" in capped["backlog of default"].what


def test_the_overview_and_its_hour_are_of_all_partitions(rig: Rig) -> None:
    bury_in_each(rig, 2)
    board = Board(rig.settings, rig.redis)
    card, view = board.view().cards[0], board.view()
    assert (card.dead, view.dead, view.closes) == ("6", "6", True)
    assert [chart.top for chart in card.charts if chart.title == "Dead letters"] == ["6"]
    rig.redis.hincrby(each()[1].ledger, "delivered", 1)
    rig.redis.hincrby(each()[2].ledger, "delivered", -1)
    assert not Board(rig.settings, rig.redis).view().closes, "each has its books, and one gap does not fill another"
