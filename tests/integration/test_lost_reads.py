"""A read whose answer is lost may have handed entries to a drain that does not know of them."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from forwarder.feedback import Members
from forwarder.queue import in_flight, lease, stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect, connect_async
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from tests.support.relay import LosesReplies
from workers.batch import Capacity
from workers.intake import Intake
from workers.session import HandBack, Session

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""

KEYS = Keys()


class OpenGate(SimpleNamespace):
    """Of a destination that is well."""

    capacity = Capacity(500, 1_048_576)
    share = 1

    async def passed(self) -> None:
        """At once."""

    def drop_probe(self) -> None:
        """There is none."""


def read_all(settings: Settings, session: Session) -> None:
    async def scene() -> None:
        async with contextlib.aclosing(connect_async(settings)) as client:
            gate, journal = cast("Any", OpenGate()), cast("Any", None)
            async for _ in Intake(client, KEYS, session, settings, gate=gate, journal=journal).batches():
                pytest.fail("there was something to send")

    asyncio.run(scene())


def test_the_drain_ends_and_the_next_one_takes_over_what_it_never_saw(settings: Settings, tmp_path: Path) -> None:
    client: Redis = connect(settings)
    run(client, stream.ensure_group(KEYS))
    for token, slot in (("a", 0), ("b", 1)):
        assert run(client, lease.keep(KEYS, slot, token, 60))
    members = Members(b'{"trace_id":"t","value":1}', 1)
    for _ in range(3):
        run(client, stream.append(KEYS, members, chunk_id=stream.new_chunk_id(), source="", caps=Caps()))
    session = Session("default", 0, "a", idle_s=60, longest_s=60)

    with LosesReplies(tmp_path / "relay", Path(settings.redis_url.removeprefix("unix://")), b"XREADGROUP") as relay:
        relay.losing = 1
        with pytest.raises(HandBack):
            read_all(settings.model_copy(update={"redis_url": relay.url}), session)

    assert session.reason == "Redis was away"
    assert client.xpending(KEYS.events, GROUP)["pending"] == 3
    run(client, lease.leave(KEYS, 0, "a"))
    assert len(run(client, in_flight.claim(KEYS, "b", 100, suspects=True)).entries) == 3
    assert run(client, snapshot(KEYS))["ambiguous"] == 0
