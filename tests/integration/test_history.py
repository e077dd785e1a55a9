"""The last hour of a destination: written once by however many look, bounded, and also while Redis is full."""

from typing import Any

import pytest

from forwarder.feedback import Members
from forwarder.queue import stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect
from forwarder.queue.history import EVERY_MS, KEPT, Sample, added_up, read_history, sample
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from tests.integration.conftest import StartRig
from tests.support.waiting import eventually

KEYS = Keys()


@pytest.fixture
def client(settings: Settings) -> Any:  # noqa: ANN401 - redis-py types a reply as all that any client could get
    return connect(settings)


def aged(client: Any, by_ms: int) -> None:  # noqa: ANN401
    """What was written was written so much earlier."""
    entries = client.xrange(KEYS.history)
    client.delete(KEYS.history)
    for entry_id, fields in entries:
        client.xadd(KEYS.history, fields, id=f"{int(entry_id.split(b'-')[0]) - by_ms}-0")


def test_a_sample_says_how_the_destination_stands(client: Any) -> None:  # noqa: ANN401
    members = Members(b'{"trace_id":"t","value":1}', 1)
    run(client, stream.append(KEYS, members, chunk_id=stream.new_chunk_id(), source="test", caps=Caps()))
    client.hincrby(KEYS.ledger, "delivered", 12_345_678_901_234_567)

    assert run(client, sample(KEYS))

    (taken,) = read_history(client, KEYS, 0)
    assert (taken.accepted, taken.pending, taken.entries, taken.dead) == (1, 1, 1, 0)
    assert taken.delivered == 12_345_678_901_234_567
    assert taken.at_ms > 0
    assert taken.age >= 0


def test_of_all_who_look_one_writes(client: Any) -> None:  # noqa: ANN401
    assert [run(client, sample(KEYS)) for _ in range(5)] == [True, False, False, False, False]
    aged(client, EVERY_MS)
    assert run(client, sample(KEYS))
    older, newer = read_history(client, KEYS, 0)
    assert older.at_ms <= newer.at_ms


def test_a_reader_asks_for_what_is_new(client: Any) -> None:  # noqa: ANN401
    run(client, sample(KEYS))
    (taken,) = read_history(client, KEYS, 0)
    assert read_history(client, KEYS, taken.at_ms) == [taken]
    assert read_history(client, KEYS, taken.at_ms + 1) == []


def test_it_is_bounded(client: Any) -> None:  # noqa: ANN401
    with client.pipeline() as step:
        for at in range(KEPT + 50):
            step.xadd(KEYS.history, {"sample": f"[{at}]"}, id=f"{at + 1}-0")
        step.execute()
    run(client, sample(KEYS))
    assert client.xlen(KEYS.history) == KEPT


def test_a_full_redis_is_written_down_too(client: Any) -> None:  # noqa: ANN401
    client.config_set("maxmemory", "1")
    try:
        assert run(client, sample(KEYS))
    finally:
        client.config_set("maxmemory", "0")


def test_an_idle_worker_writes_it(start_rig: StartRig) -> None:
    rig = start_rig()
    rig.start_worker()
    assert eventually(lambda: read_history(rig.redis, rig.keys, 0)), rig.log.read_text()


def test_the_hour_of_a_destination_adds_up_its_partitions() -> None:
    first = [Sample(11_000, accepted=100, pending=2, age=5), Sample(21_000, accepted=110, pending=1)]
    second = [Sample(12_000, accepted=7, pending=3, age=9), Sample(32_000, accepted=9)]
    assert added_up([first, second]) == [
        Sample(12_000, accepted=107, pending=5, age=9),
        Sample(21_000, accepted=117, pending=4, age=9),  # the second as it stood before
        Sample(32_000, accepted=119, pending=1),
    ]


def test_a_partition_that_comes_later_is_no_gain_of_its_destination() -> None:
    first, late = [Sample(10_000, accepted=5), Sample(20_000, accepted=6)], [Sample(20_500, accepted=1_000)]
    assert [one.accepted for one in added_up([first, late])] == [1_005, 1_006]
    assert added_up([first]) == first
    assert added_up([[], []]) == []
