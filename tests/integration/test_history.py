"""The last hour of a destination: written once by however many look, bounded, and also while Redis is full."""

from typing import Any

import pytest

from forwarder.feedback import Members
from forwarder.queue import stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect
from forwarder.queue.history import EVERY_MS, KEPT, read_history, sample
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
