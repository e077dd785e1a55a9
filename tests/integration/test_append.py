"""What an append that comes again does, against the real server."""

from typing import Any

import pytest

from forwarder.feedback import Members
from forwarder.queue import stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.settings import Settings

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""

KEYS = Keys()


@pytest.fixture
def client(settings: Settings) -> Redis:
    return connect(settings)


def append(client: Redis, chunk_id: str, *, doubtful: bool = False) -> str:
    members = Members(b'{"trace_id":"t","value":1}', 1)
    return run(client, stream.append(KEYS, members, chunk_id=chunk_id, source="", caps=Caps(), doubtful=doubtful))


def writes(client: Redis) -> int:
    """What this server would still have to write to its file."""
    return int(client.info("persistence")["rdb_changes_since_last_save"])


def test_one_that_was_stored_is_a_write_all_the_same_so_that_a_wait_behind_it_waits_for_the_entry(
    client: Redis,
) -> None:
    append(client, "one")
    before = writes(client)

    append(client, "one")

    assert writes(client) > before
    assert client.xlen(KEYS.events) == 1


def test_only_what_no_trace_is_left_of_may_be_there_twice(client: Redis) -> None:
    append(client, "one")
    append(client, "one", doubtful=True)
    assert run(client, snapshot(KEYS))["ambiguous"] == 0

    client.delete(KEYS.chunk("one"))
    append(client, "one", doubtful=True)

    assert run(client, snapshot(KEYS))["ambiguous"] == 1
    assert client.xlen(KEYS.events) == 2
