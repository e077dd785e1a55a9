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
