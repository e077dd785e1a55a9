"""Complaints: one bad item, or a large one, loses the batch; what was refused is dropped silently."""

import asyncio
import logging
from typing import Any

import pytest

from forwarder import AsyncFeedbackClient, Drop, FlushResult, InvalidFeedback, InvalidSettings
from forwarder.errors import UsageError
from tests.integration.conftest import StartRig
from tests.support.programs import queued
from tests.support.rig import Rig

MIXED: list[dict[str, Any]] = [{"trace_id": f"a-{number}", "value": 99 if number == 5 else 1} for number in range(10)]
GOOD = [f"a-{number}" for number in range(10) if number != 5]


@pytest.mark.parametrize("mode", ["buffered", "direct"])
def test_a_bad_event_is_refused_at_once_and_its_neighbours_go_on(rig: Rig, mode: str) -> None:
    client = rig.client(mode=mode)
    for event in MIXED:
        if event["value"] == 99:
            with pytest.raises(InvalidFeedback, match="value: must be an integer from -10 to 10, got 99"):
                client.send(**event)
        else:
            client.send(**event)
    assert client.close() == FlushResult(appended=9)
    assert queued(rig) == GOOD


@pytest.mark.parametrize("mode", ["buffered", "direct"])
def test_a_bad_event_of_many_is_logged_counted_and_told_when_so_wanted(
    rig: Rig, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    drops: list[Drop] = []
    client = rig.client(mode=mode, on_invalid="log", on_drop=drops.append)
    with caplog.at_level(logging.WARNING):
        assert client.send_many(MIXED) == 9
        client.send(trace_id="", value=1)
    assert client.close() == FlushResult(appended=9, refused=2)
    assert sorted(queued(rig)) == GOOD
    assert "value: must be an integer" in caplog.text
    assert [drop.reason for drop in drops] == (["invalid"] * 2 if mode == "buffered" else [])


def test_many_events_up_to_the_first_bad_one_are_sent(rig: Rig) -> None:
    client = rig.client(mode="buffered")
    with pytest.raises(InvalidFeedback):
        client.send_many(MIXED)
    assert client.close() == FlushResult(appended=5)


def test_what_the_queue_refuses_is_told_by_the_flush_and_counted_in_the_ledger(start_rig: StartRig) -> None:
    """The others report success for what the backend has refused."""
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="100", FORWARDER_SPILL_MAX_BYTES="0")
    client = rig.client(mode="buffered")
    client.send_many([{"trace_id": f"a-{number}", "value": 1} for number in range(101)])
    told = client.flush(timeout_s=0.2)
    assert (told.appended, told.pending, told.safe) == (0, 101, False)
    told = client.close(timeout_s=0.2)
    assert (told.dropped, told.pending, told.safe) == (101, 0, False)
    assert rig.books()["refused:backlog"] >= 101


def test_a_destination_that_is_not_configured_is_named(rig: Rig) -> None:
    client = rig.client(mode="buffered")
    with pytest.raises(InvalidSettings, match="destination 'eu' is not configured; known are: default"):
        client.send(trace_id="t", value=1, destination="eu")
    with pytest.raises(InvalidSettings, match="'eu' is not configured"):
        rig.client(destination="eu")
    assert client.close() == FlushResult()


def test_a_destination_per_call(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="x")
    client = rig.client(mode="buffered")
    client.thumbs_up("home-0")
    client.thumbs_down("eu-0", destination="eu")
    assert client.close().appended == 2
    assert (queued(rig), queued(rig, "eu")) == (["home-0"], ["eu-0"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "sync"}, "mode must be one of buffered, direct, not 'sync'"),
        ({"overflow": "explode"}, "overflow must be one of spill, drop_newest, drop_oldest, block"),
        ({"on_invalid": "ignore"}, "on_invalid must be one of raise, log"),
        ({"mode": "direct", "durability": "tape"}, "durability must be one of memory, aof, replica"),
    ],
)
def test_arguments_that_cannot_be_are_named(rig: Rig, options: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        rig.client(**options)


def test_after_its_close_a_client_counts_what_it_is_given(rig: Rig) -> None:
    drops: list[Drop] = []
    client = rig.client(mode="buffered", on_drop=drops.append)
    assert client.close() == FlushResult()
    client.thumbs_up("late-0")  # the first thing that it is given at all
    assert [drop.reason for drop in drops] == ["closed"]
    assert client.close() == FlushResult(dropped=1)


@pytest.mark.parametrize("mode", ["buffered", "direct"])
def test_the_asynchronous_client_does_the_same(rig: Rig, mode: str) -> None:
    async def visit() -> FlushResult:
        async with AsyncFeedbackClient(mode=mode, settings=rig.settings) as client:  # type: ignore[arg-type]  # a mode
            await client.thumbs_up("a-0", "good")
            await client.thumbs_down("a-1")
            with pytest.raises(InvalidFeedback):
                await client.send(trace_id="a", value=11)
            assert await client.send_many({"trace_id": f"a-{number}", "value": 1} for number in range(2, 700)) == 698
            return await client.flush()

    assert asyncio.run(visit()) == FlushResult(appended=700)
    assert len(set(queued(rig))) == 700
