import sys

import pytest

from forwarder.supervisor import HEALTHY_AFTER_S, RESTART_BASE_S, RESTART_MAX_S, Child, Supervisor

NOW = 1_000_000.0


def waits(child: Child, deaths: int, now: float = NOW) -> list[float]:
    """The backoff after each of so many deaths in a row."""
    supervisor, found = Supervisor(), []
    for _ in range(deaths):
        supervisor._schedule(child, now)
        found.append(child.due_at - now)
    return found


def test_a_child_that_dies_again_and_again_waits_twice_as_long_each_time_up_to_a_bound() -> None:
    found = waits(Child("worker", [], started_at=NOW), 12)
    assert found[:4] == pytest.approx([RESTART_BASE_S * 2**death for death in range(4)])
    assert found[-1] == max(found) == RESTART_MAX_S


def test_a_child_that_dies_all_night_is_still_restarted() -> None:
    assert waits(Child("worker", [], started_at=NOW, deaths=2_000), 1) == [RESTART_MAX_S]


@pytest.mark.parametrize(("lived_s", "wait_s"), [(HEALTHY_AFTER_S + 1, RESTART_BASE_S), (1, RESTART_MAX_S)])
def test_only_a_child_that_lived_long_begins_its_backoff_anew(lived_s: float, wait_s: float) -> None:
    assert waits(Child("worker", [], started_at=NOW - lived_s, deaths=20), 1) == [wait_s]


def test_a_supervisor_has_ended_when_nothing_runs_and_nothing_will() -> None:
    supervisor = Supervisor()
    assert supervisor.ended is True
    supervisor.children.append(Child("once", [], restart=False))
    assert supervisor.ended is True
    supervisor.children.append(Child("worker", []))
    assert supervisor.ended is False


STUBBORN = """
import signal, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
print("ready", flush=True)
while len(asked) < {ends_at}:
    time.sleep(0.01)
"""


def stubborn(ends_at: int) -> Child:
    """A child that ends when it was asked so often."""
    return Child("stubborn", [sys.executable, "-c", STUBBORN.format(ends_at=ends_at)], announces=True)


def running(supervisor: Supervisor, child: Child) -> Child:
    process = supervisor.start(child).process
    assert child.read_announcement()
    assert process
    assert process.stdout
    process.stdout.close()
    return child


def test_a_child_that_ends_when_asked_is_not_killed() -> None:
    supervisor = Supervisor()
    running(supervisor, stubborn(ends_at=1))
    supervisor.stop(60)
    assert supervisor.exit_code() == 0


def test_who_loses_patience_has_the_children_asked_once_more() -> None:
    supervisor = Supervisor()
    running(supervisor, stubborn(ends_at=2))
    supervisor.stop(60, hurried=lambda: True)
    assert supervisor.exit_code() == 0


def test_a_child_that_does_not_end_in_its_grace_is_killed() -> None:
    supervisor = Supervisor()
    child = running(supervisor, stubborn(ends_at=99))
    supervisor.stop(0.1)
    assert child.running is False
    assert supervisor.exit_code() == 1


def test_a_child_that_cannot_be_started_again_is_tried_again_later() -> None:
    supervisor = Supervisor()
    child = running(supervisor, stubborn(ends_at=1))
    supervisor.stop(60)
    child.command = ["/nowhere/at/all"]
    child.due_at = 1.0
    supervisor.watch()
    assert child.due_at > 1.0
