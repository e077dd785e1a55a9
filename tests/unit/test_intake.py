"""What is made of what was claimed; reading itself is tested against the real server."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from forwarder.queue.in_flight import SUSPICIOUS_AFTER, Claimed
from forwarder.queue.keys import Keys
from forwarder.queue.stream import Entry
from forwarder.settings import load_settings
from tests.unit.samples import array, entry, numbered
from workers.batch import Batch, Capacity
from workers.intake import Intake
from workers.session import Session


def made_of(claimed: Claimed) -> list[Batch]:
    """The batches that go out at once; what is coalesced waits for more."""
    nothing = cast("Any", None)
    gate = cast("Any", SimpleNamespace(capacity=Capacity(500, 1_048_576)))
    session = Session("default", 0, "token", idle_s=5, longest_s=60)
    intake = Intake(nothing, Keys(), session, load_settings(batch_linger_ms=60_000), gate=gate, journal=nothing)
    return asyncio.run(intake._made_of(claimed))


def entries(*deliveries: int) -> list[Entry]:
    return [
        Entry(entry(None, number).id, {b"body": array(*numbered(1))}, times) for number, times in enumerate(deliveries)
    ]


@pytest.mark.parametrize("batch", ["abc", ""], ids=["whole", "without its suspects"])
def test_a_batch_that_was_being_sent_goes_again_at_once_with_its_attempts(batch: str) -> None:
    (made,) = made_of(Claimed(entries(1, 2), batch, attempts=4))
    assert (made.attempts, len(made.loads)) == (4, 2)


def test_entries_that_were_never_sent_are_coalesced_with_others() -> None:
    assert made_of(Claimed(entries(1, 1))) == []


def test_a_suspect_goes_alone() -> None:
    (made,) = made_of(Claimed(entries(SUSPICIOUS_AFTER + 1)))
    assert made.count == 1
