import pytest

from forwarder import signals
from forwarder.signals import HURRY, TOGETHER_S, Asked, Flag


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(signals, "time", clock)
    return clock


def test_signals_that_come_together_are_one_request(clock: Clock) -> None:
    asked = Asked()
    assert asked.count == 0
    for _ in range(3):
        asked.again()
        clock.now += TOGETHER_S / 3
    assert asked.count == 1


def test_a_later_signal_means_to_hurry_and_there_is_nothing_beyond(clock: Clock) -> None:
    asked = Asked()
    for _ in range(4):
        asked.again()
        clock.now += TOGETHER_S * 1.1
    assert asked.count == HURRY


def test_a_flag_is_up_from_its_setting_to_its_clearing() -> None:
    flag = Flag()
    assert flag.is_set() is False
    flag.set()
    flag.set()
    raised = flag.is_set()
    flag.clear()
    assert (raised, flag.is_set()) == (True, False)
