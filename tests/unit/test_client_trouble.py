"""Whom a producer leaves alone, for how long; and what it says of drops."""

import logging

import pytest

from forwarder.client.drops import Drop, Drops
from forwarder.client.outcome import FlushResult, Tally
from forwarder.client.trouble import AWAY, BASE_S, CAP_S, Trouble
from forwarder.feedback import Members


def test_each_failure_doubles_the_time_up_to_its_cap() -> None:
    trouble = Trouble()
    waits = []
    for _ in range(10):
        trouble.struck(AWAY, 100.0, dice=1.0)
        waits.append(trouble.away_until() - 100.0)
    assert waits[:3] == pytest.approx([BASE_S, 2 * BASE_S, 4 * BASE_S])
    assert waits[-1] == CAP_S


def test_dice_take_off_up_to_half() -> None:
    trouble = Trouble()
    trouble.struck(AWAY, 0.0, dice=0.0)
    assert trouble.away_until() == pytest.approx(BASE_S / 2)


def test_it_ends_with_time_with_success_or_when_there_is_a_hurry() -> None:
    trouble = Trouble()
    trouble.struck(AWAY, 0.0, dice=1.0)
    trouble.struck("eu", 0.0, dice=1.0)
    assert trouble.is_away(0.05)
    assert trouble.refusing(0.05) == {"eu"}
    assert not trouble.is_away(0.2)
    assert trouble.refusing(0.2) == set()
    assert trouble.well(AWAY)
    assert not trouble.well(AWAY)
    trouble.struck(AWAY, 1.0, dice=1.0)
    assert trouble.away_until() == pytest.approx(1.0 + BASE_S)  # it begins anew
    trouble.hurry()
    assert not trouble.is_away(1.0)
    trouble.struck("eu", 2.0, dice=1.0)
    assert trouble.refusing(2.15) == {"eu"}  # a hurry forgets no failures


def drop(count: int, reason: str = "buffer_full") -> Drop:
    return Drop("default", reason, Members(b"x", count))


def test_drops_are_counted_by_reason_and_logged_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops(None)
    with caplog.at_level(logging.WARNING, "forwarder.client"):
        drops.add(drop(3), "the disk is full")
        drops.add(drop(4))
        drops.add(drop(1, "exit"))
        assert [record.message for record in caplog.records] == [
            "feedback events dropped: 3 (buffer_full): the disk is full"
        ]
        drops.log(now=True)
    assert caplog.records[1].message == "feedback events dropped: 4 (buffer_full), 1 (exit)"
    assert drops.untold() == {("default", "buffer_full"): 7, ("default", "exit"): 1}
    assert not drops.has_untold
    drops.back({("default", "exit"): 2})
    assert drops.untold() == {("default", "exit"): 2}


def test_a_callback_is_told_and_what_it_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Drop] = []

    def on_drop(dropped: Drop) -> None:
        told.append(dropped)
        raise RuntimeError("the app's own trouble")

    Drops(on_drop).add(drop(1))
    assert told == [drop(1)]
    assert "on_drop raised" in caplog.text


def test_a_tally_tells_each_event_once() -> None:
    tally = Tally()
    tally.appended, tally.spilled = 3, 2
    assert tally.told(pending=1) == FlushResult(3, 2, 0, 0, 1)
    assert tally.told(pending=0) == FlushResult()
    assert FlushResult(appended=1, spilled=1).safe
    assert not FlushResult(pending=1).safe
    assert not FlushResult(dropped=1).safe
    assert not FlushResult(refused=1).safe
