"""A horse that is real and does not want to end."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.support.waiting import eventually
from workers import horse as module
from workers.horse import Ended, Horse

LONG_S = 600.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MARGIN_S", 0.05)
    monkeypatch.setattr(module, "HURRY_S", 0.2)


class Stubborn(Horse):
    """A horse that ends when it has got so many SIGUSR1, and says each time that it got one."""

    def __init__(self, ends_at: int, *, grace_s: float = LONG_S, longest_s: float = LONG_S) -> None:
        self._heard, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            got: list[int] = []
            signal.signal(signal.SIGUSR1, lambda signum, _: got.append(signum))
            said = -1
            while said < ends_at:
                said += os.write(write, b"!") if said < len(got) else 0
                time.sleep(0.005)
            os._exit(ends_at)
        os.close(write)
        super().__init__(pid, grace_s=grace_s, longest_s=longest_s)
        self.hears()  # it has its handler

    def hears(self) -> None:
        """Wait until it has got one more."""
        assert os.read(self._heard, 1) == b"!"

    def close(self) -> None:
        os.close(self._heard)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return


Fork = Callable[..., Stubborn]


@pytest.fixture
def fork() -> Iterator[Fork]:
    with ExitStack() as stack:

        def start(ends_at: int, **times: float) -> Stubborn:
            return stack.enter_context(closing(Stubborn(ends_at, **times)))

        yield start


def watched(horse: Horse, asked: Callable[[], int]) -> int | None:
    """Watch it as a worker does; answers its exit code, None while it runs."""

    def look() -> Ended | None:
        horse.press(asked())
        return horse.ended()

    ended = eventually(look, within_s=10)
    return ended.exit_code if ended else None


def test_a_horse_is_left_alone_until_the_worker_is_asked(fork: Fork) -> None:
    horse = fork(ends_at=1)
    for _ in range(3):
        horse.press(0)
        assert horse.ended() is None
    assert watched(horse, lambda: 1) == 1


def test_a_horse_is_told_once_however_often_the_worker_looks(fork: Fork) -> None:
    horse = fork(ends_at=2)
    for _ in range(50):
        horse.press(1)
        assert horse.ended() is None
    horse.hears()
    assert watched(horse, lambda: 2) == 2


def test_a_horse_that_has_not_ended_in_its_grace_is_hurried(fork: Fork) -> None:
    assert watched(fork(ends_at=2, grace_s=0.05), lambda: 1) == 2


def test_a_horse_that_does_not_hurry_is_killed(fork: Fork) -> None:
    assert watched(fork(ends_at=99), lambda: 2) == -signal.SIGKILL


def test_a_horse_that_runs_too_long_is_told_though_nobody_asked(fork: Fork) -> None:
    assert watched(fork(ends_at=1, longest_s=0.05), lambda: 0) == 1


def test_a_horse_that_has_just_ended_can_be_told_and_is_reaped(fork: Fork) -> None:
    horse = fork(ends_at=1)
    os.kill(horse.pid, signal.SIGUSR1)
    os.waitid(os.P_PID, horse.pid, os.WEXITED | os.WNOWAIT)
    horse.press(2)
    ended = horse.ended()
    assert ended
    assert (ended.pid, ended.exit_code) == (horse.pid, 1)
