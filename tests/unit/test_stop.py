"""How a horse learns of a stop; some horses here are real."""

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from workers import stop
from workers.stop import HURRY, SIGNALS, STOP, request_stop, signals_held, stop_on_signals


@pytest.fixture(autouse=True)
def _nobody_was_told() -> Iterator[None]:
    def forget() -> None:
        STOP.clear()
        HURRY.clear()
        stop._seen.clear()
        stop._worker = 0

    forget()
    yield
    forget()


def test_one_stop_may_be_told_once_by_each_signal() -> None:
    for signum in SIGNALS:
        request_stop(signum, None)
    assert (STOP.is_set(), HURRY.is_set()) == (True, False)


@pytest.mark.parametrize("signum", SIGNALS)
def test_the_same_signal_again_means_to_hurry(signum: int) -> None:
    request_stop(signum, None)
    assert HURRY.is_set() is False
    request_stop(signum, None)
    assert HURRY.is_set() is True


def exit_code_of(horse: Callable[[], int], tell: Callable[[int], None]) -> int:
    """Fork a horse while signals are held; `tell` is called before it has its handlers."""
    read, write = os.pipe()
    with signals_held():
        pid = os.fork()
        if pid == 0:
            os.read(read, 1)  # until it was told
            os._exit(horse())
        tell(pid)
        os.write(write, b"!")
    os.close(read)
    os.close(write)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_that_comes_right_after_the_fork_is_neither_lost_nor_deadly(signum: int) -> None:
    def horse() -> int:
        stop_on_signals()
        return 7 if STOP.is_set() else 0

    assert exit_code_of(horse, lambda pid: os.kill(pid, signum)) == 7


def test_a_signal_to_the_worker_waits_for_the_end_of_the_fork() -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, _: got.append(signum))
    try:
        with signals_held():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert got == []
        assert got == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
