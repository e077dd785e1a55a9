"""Whole fleets against upstreams of all kinds, simulated: what is found out, how soon, and what it costs."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.support.simulated_upstream import ENDLESS, TRIP_MS, Simulation, Upstream
from workers.concurrency import (
    PROBE_FIRST_MS,
)


@pytest.mark.parametrize("drains", [1, 2, 4, 8])
@pytest.mark.parametrize("capacity", [1, 3, 10, 50, 200])
def test_the_capacity_of_an_upstream_that_pushes_back_is_found_and_used(capacity: int, drains: int) -> None:
    simulation = Simulation(Upstream(capacity=capacity), drains)
    simulation.run(60_000)
    passed = simulation.passed(10_000, 60_000)
    assert passed.per_s >= 0.95 * capacity * 20
    assert passed.pushed_back <= 0.005


@pytest.mark.parametrize("drains", [1, 2, 4, 8])
def test_an_upstream_that_queues_is_kept_busy_with_a_short_queue(drains: int) -> None:
    simulation = Simulation(Upstream(servers=10), drains)
    simulation.run(120_000)
    passed = simulation.passed(10_000, 120_000)
    assert passed.per_s >= 0.98 * 200
    assert passed.rtt_ms <= 2 * 50


@pytest.mark.parametrize("drains", [1, 2, 4, 8])
def test_without_any_limit_the_maximum_is_reached_in_seconds_and_kept(drains: int) -> None:
    simulation = Simulation(Upstream(), drains, maximum=128)
    simulation.run(10_000)
    assert simulation.limits[-1][1] == 128
    assert simulation.limits[-1][0] <= 3_000


@pytest.mark.parametrize("latency_ms", [10, 500])
@pytest.mark.parametrize("kind", [{"capacity": 10}, {"servers": 10}])
def test_a_quick_upstream_and_a_slow_one_are_kept_busy_too(latency_ms: int, kind: dict[str, Any]) -> None:
    simulation = Simulation(Upstream(latency_ms=latency_ms, **kind), 2)
    simulation.run(90_000)
    passed = simulation.passed(30_000, 90_000)
    assert passed.per_s >= 0.95 * 10_000 / (latency_ms + TRIP_MS)
    assert passed.pushed_back <= 0.007


def uniform(source: random.Random) -> float:
    """A factor that noise puts on a latency: 20 % more or less."""
    return source.uniform(0.8, 1.2)


def exponential(source: random.Random) -> float:
    """The same, but as wild as that of many an API: one in twenty takes three times as long, or longer."""
    return source.expovariate(1.0)


@pytest.mark.parametrize(("noise", "share"), [(uniform, 0.95), (exponential, 0.9)])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("kind", "capacity"), [({"capacity": 10}, 10), ({"servers": 10}, 10), ({}, 64)])
def test_noise_does_not_wear_the_limit_down(
    kind: dict[str, Any],
    capacity: int,
    seed: int,
    noise: Callable[[random.Random], float],
    share: float,
) -> None:
    simulation = Simulation(Upstream(noise=noise, **kind), 2, maximum=64, seed=seed)
    simulation.run(70_000)
    assert simulation.passed(10_000, 70_000).per_s >= share * capacity * 20


def test_mild_noise_never_lowers_the_limit_at_all() -> None:
    simulation = Simulation(Upstream(noise=uniform), 2, maximum=32)
    simulation.run(120_000)
    values = [value for _, value in simulation.limits]
    assert values == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(
    ("before", "change", "per_s", "within_ms"),
    [
        pytest.param({"capacity": 10}, {"capacity": 20}, 400, 30_000, id="capacity doubled"),
        pytest.param({"capacity": 20}, {"capacity": 10}, 200, 3_000, id="capacity halved"),
        pytest.param({"capacity": 200}, {"capacity": 10}, 200, 3_000, id="capacity nearly gone"),
        pytest.param({"capacity": 10}, {"capacity": None}, 2_560, 30_000, id="capacity without bound"),
        pytest.param({"servers": 10}, {"servers": 20}, 400, 5_000, id="servers doubled"),
        pytest.param({"servers": 20}, {"servers": 5}, 100, 8_000, id="servers gone"),
        pytest.param({}, {"servers": 10}, 200, 8_000, id="a queue out of nowhere"),
        pytest.param({}, {"latency_ms": 200.0}, 640, 5_000, id="much slower"),
        pytest.param({}, {"latency_ms": 90.0}, 1_422, 5_000, id="somewhat slower"),
        pytest.param({"latency_ms": 200.0}, {"latency_ms": 20.0}, 6_400, 5_000, id="quicker"),
        pytest.param({"capacity": 50, "failing": 1.0}, {"failing": 0.0}, 1_000, 6_000, id="an outage has ended"),
    ],
)
@pytest.mark.parametrize("drains", [2, 8])
def test_an_upstream_that_has_changed_is_learned_again(
    before: dict[str, Any], change: dict[str, Any], per_s: int, within_ms: int, drains: int
) -> None:
    upstream = Upstream(**before)
    simulation = Simulation(upstream, drains, maximum=256 if change.get("capacity") else 128)
    simulation.run(30_000)
    for name, value in change.items():
        setattr(upstream, name, value)
    simulation.run(30_000 + within_ms + 10_000)
    passed = simulation.passed(30_000 + within_ms, 40_000 + within_ms)
    assert passed.per_s >= 0.93 * per_s
    assert passed.pushed_back <= 0.01
    assert passed.rtt_ms <= 2.2 * upstream.latency_ms


def test_little_demand_teaches_little_and_much_is_learned_when_it_comes() -> None:
    simulation = Simulation(Upstream(capacity=50), 2, demand=lambda now_ms: 1 if now_ms < 30_000 else ENDLESS)
    simulation.run(30_000)
    assert simulation.limits[-1][1] <= 4
    simulation.run(45_000)
    assert simulation.passed(35_000, 45_000).per_s >= 0.95 * 1_000


def test_a_drain_with_little_to_do_leaves_its_share_to_the_busy_one() -> None:
    simulation = Simulation(Upstream(capacity=10), 1)
    simulation.join("small", lambda now_ms: int(now_ms % 1_000 < 100))
    simulation.run(60_000)
    assert simulation.passed(10_000, 60_000).per_s >= 0.95 * 200


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drains_that_join_leave_and_die_never_exceed_the_limit_together(seed: int) -> None:
    simulation = Simulation(Upstream(), 2, maximum=20, seed=seed)
    simulation.run(5_000)
    for number in range(12):
        simulation.run(simulation.now_ms + simulation.random.uniform(100, 3_000))
        alive = [drain for drain in simulation.drains if drain.alive]
        if len(alive) > 1 and number % 2:
            leaving = simulation.random.choice(alive)
            leaving.die() if number % 4 == 1 else leaving.leave()
        else:
            simulation.join(f"joined-{number}")
    assert simulation.trespasses == 0
    assert simulation.passed(5_000, simulation.now_ms).per_s >= 0.7 * 400


@pytest.mark.parametrize(("failing", "share"), [(0.003, 0.97), (0.01, 0.75)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_few_errors_that_no_load_has_caused_cost_little(failing: float, share: float, seed: int) -> None:
    simulation = Simulation(Upstream(capacity=50, failing=failing), 2, seed=seed)
    simulation.run(60_000)
    assert simulation.passed(10_000, 60_000).per_s >= share * 1_000


def test_the_steps_of_a_simulation_can_be_told_one_by_one() -> None:
    """One drain, ten requests at once: 16 is too much, and so is 11, which is tried again later."""
    simulation = Simulation(Upstream(capacity=10), 1)
    simulation.run(25_000)
    values = [value for _, value in simulation.limits]
    assert values == [1, 2, 4, 8, 16, 8, 9, 10, 11, 10, 11, 10, 11, 10]
    tries_ms = [at_ms for at_ms, value in simulation.limits if value == 11]
    gaps_ms = [later - sooner for sooner, later in pairwise(tries_ms)]
    assert gaps_ms == [pytest.approx(PROBE_FIRST_MS, abs=400), pytest.approx(2 * PROBE_FIRST_MS, abs=400)]
