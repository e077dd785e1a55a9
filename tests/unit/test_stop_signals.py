import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

import pytest
from rq.exceptions import StopRequested

from workers import stop_signals as module
from workers.stop_signals import StopSignals


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[StopSignals]:
    """Real signals to this process; nothing is broken off before the test says so."""
    monkeypatch.setattr(module, "BREAK_OFF_S", 3_600)
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    signals = StopSignals()

    def arrived(_signum: int, _frame: FrameType | None) -> None:
        signals.arrived()

    signals.install(arrived)
    yield signals
    signals.end()
    for signum, handler in before.items():
        signal.signal(signum, handler)


def told(signum: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), signum)


def test_what_is_breakable_is_broken_off_and_nothing_is_begun_after(signals: StopSignals) -> None:
    done = []

    def stretch() -> None:
        with signals.breakable():
            done.append("begun")
            told()
            done.append("ended")

    for _ in range(2):
        with pytest.raises(StopRequested):
            stretch()
    assert done == ["begun"]


def test_what_is_not_breakable_may_end_by_itself(signals: StopSignals) -> None:
    told()
    assert signals.asked == 1
    signals.end()
    told()  # nothing is left to break off
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    told(signal.SIGALRM)  # one that was on its way
    assert signals.broken_off is False


def test_what_hangs_is_broken_off(signals: StopSignals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BREAK_OFF_S", 0.1)
    told()
    with pytest.raises(StopRequested):
        time.sleep(30)
    assert signals.broken_off is True


def test_watching_a_horse_is_not_broken_off(signals: StopSignals) -> None:
    signals.watching = True
    before = signal.getsignal(signal.SIGALRM)
    told()
    assert signal.getsignal(signal.SIGALRM) == before
    signals.break_off_soon()
    told(signal.SIGALRM)
    assert signals.broken_off is False


def test_a_heartbeat_on_the_watch_is_broken_off(signals: StopSignals) -> None:
    signals.watching = True
    with pytest.raises(StopRequested), signals.breakable():
        told()
    assert signals.watching
