"""What a drain writes down of its batches, against the real server: nothing without the lease, and once each."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from forwarder.feedback import Members
from forwarder.queue import lease, stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect, connect_async
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.queue.stream import Entry
from forwarder.settings import Settings
from tests.support.relay import LosesReplies
from workers.batch import Batch, Load
from workers.journal import Journal
from workers.outcome import Outcome
from workers.session import HandBack, Session

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""

KEYS = Keys()
EVENT = Members(b'{"trace_id":"t","value":1}', 1)


@pytest.fixture
def client(settings: Settings) -> Redis:
    client = connect(settings)
    run(client, stream.ensure_group(KEYS))
    assert run(client, lease.keep(KEYS, 0, "a", 60))
    return client


def read_batch(client: Redis, token: str = "a") -> Batch:
    """A batch of two entries, as this drain has read them."""
    for _ in range(2):
        run(client, stream.append(KEYS, EVENT, chunk_id=stream.new_chunk_id(), source="", caps=Caps()))
    ((_, entries),) = client.xreadgroup(GROUP, token, {KEYS.events: ">"})
    return Batch([Load(Entry(entry_id, fields), EVENT) for entry_id, fields in entries])


def with_journal(settings: Settings, session: Session, act: Callable[[Journal], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with contextlib.aclosing(connect_async(settings)) as client:
            journal = Journal(client, KEYS, session)
            await act(journal)
            await journal.end()

    asyncio.run(scene())


def test_a_batch_is_not_sent_when_the_lease_is_another_s_and_the_session_ends(
    client: Redis, settings: Settings
) -> None:
    session = Session("default", 0, "a", idle_s=60, longest_s=60)
    batch = read_batch(client)
    client.delete(KEYS.lease(0))
    assert run(client, lease.keep(KEYS, 0, "b", 60))

    async def begin(journal: Journal) -> None:
        with pytest.raises(HandBack):
            await journal.begin(Outcome(batch), 1)

    with_journal(settings, session, begin)

    assert (session.over(), session.reason) == (True, "its lease was lost")
    assert not client.exists(KEYS.batches)


def test_a_settle_whose_answer_is_lost_is_done_again_and_counts_once(
    client: Redis, settings: Settings, tmp_path: Path
) -> None:
    session = Session("default", 0, "a", idle_s=60, longest_s=60)
    first, second = Outcome(read_batch(client)), Outcome(read_batch(client))

    with LosesReplies(tmp_path / "relay", Path(settings.redis_url.removeprefix("unix://"))) as relay:

        async def settle(journal: Journal) -> None:
            await journal.settle(first)  # from here on the server knows the script
            relay.losing = 1
            second.tally["requests"] = 1
            await journal.settle(second)

        with_journal(settings.model_copy(update={"redis_url": relay.url}), session, settle)
        assert relay.losing == 0

    books = run(client, snapshot(KEYS))
    assert (books["delivered"], books["requests"], books["ambiguous"]) == (4, 1, 0)
    assert all(line.closes for line in books.lines)
