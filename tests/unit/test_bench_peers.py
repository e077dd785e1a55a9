import pytest

from tests.benchmarks.peers.peer import Cost, Run, cost
from tests.benchmarks.peers.table import Line

OURS = Cost(1_000_000, 0, cpu=2.0, redis=0.5, per_s=400_000)


def test_the_start_is_taken_off_and_redis_is_a_part_of_the_whole() -> None:
    few = Run(asked=500, events=500, cpu_s=1.0, redis_cpu_s=0.1, per_s=0)
    many = Run(asked=100_500, events=100_500, cpu_s=1.4, redis_cpu_s=0.3, per_s=5_000)
    found = cost(few, many)
    assert (found.events, found.lost, found.per_s) == (100_500, 0, 5_000)
    assert found.cpu == pytest.approx(6.0)
    assert found.redis == pytest.approx(2.0)


def test_what_did_not_arrive_in_time_is_said_and_costs_nothing() -> None:
    few = Run(asked=1, events=1, cpu_s=1.0, redis_cpu_s=0, per_s=0)
    many = Run(asked=1_000, events=501, cpu_s=2.0, redis_cpu_s=0, per_s=10)
    found = cost(few, many)
    assert found.lost == 499
    assert found.cpu == pytest.approx(2_000)


@pytest.mark.parametrize(
    ("cpu", "per_s", "verdict"),
    [(4.0, 100_000, "ok"), (1.9, 100_000, "NOT MET"), (4.0, 500_000, "NOT MET")],
)
def test_less_cpu_and_more_events_is_what_is_wanted(cpu: float, per_s: float, verdict: str) -> None:
    assert Line("other", Cost(1_000, 0, cpu, 0, per_s), OURS).cells[-1] == verdict


def test_ours_is_held_against_nothing_and_what_is_missing_says_how_to_get_it() -> None:
    assert Line("ours", OURS).cells == ["ours", "1,000,000", "2.00", "", "0.50", "400,000", "", "0", ""]
    assert Line("other", None, OURS, "apt install it").cells == ["other", "not measured: apt install it"]
