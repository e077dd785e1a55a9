"""What a drain sent and could not settle may have arrived: whoever takes it over must count it so."""

import asyncio
import contextlib
from typing import Any, cast

import pytest

from forwarder.queue.connection import connect_async
from forwarder.settings import Settings
from tests.unit.samples import batch
from workers.batch import Batch
from workers.drain import Drain
from workers.outcome import Outcome
from workers.session import Session
from workers.tracing import NoSpans


@pytest.mark.parametrize("settles", [True, False])
def test_a_batch_that_cannot_be_settled_leaves_the_session_in_doubt_and_ends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, settles: bool
) -> None:
    session = Session("default", 0, "a", idle_s=60, longest_s=60)

    async def answered(batch: Batch) -> Outcome:
        return Outcome(batch)

    async def settle(_: Outcome) -> None:
        if not settles:
            raise RuntimeError("a defect")

    async def scene() -> None:
        async with contextlib.aclosing(connect_async(settings)) as client:
            drain = Drain(settings, session, client, cast("Any", None), traced=NoSpans())
            monkeypatch.setattr(drain._dispatcher, "dispatch", answered)
            monkeypatch.setattr(drain._journal, "settle", settle)
            sent = batch(1)
            await drain._room.enter(sent)
            await drain._forward(sent)

    asyncio.run(scene())
    assert session.in_doubt is not settles
    assert session.reason == ("" if settles else "a batch failed")
    assert session.in_flight == 0
