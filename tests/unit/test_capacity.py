import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from forwarder.capacity import ARRAYS, BUSY, SINGLES, Demand, plan
from forwarder.cli.app import app
from forwarder.cli.plan_view import shown_bytes
from tests.support.sandbox import ROOT

DEMAND = Demand(rate=20_000, event_bytes=150, latency_s=0.1, outage_s=21_600, catch_up_s=21_600)


def test_the_backlog_is_what_comes_during_the_outage_and_has_room_in_redis() -> None:
    capacity = plan(DEMAND)
    assert capacity.backlog_events == 20_000 * 21_600
    assert capacity.redis_bytes > capacity.backlog_events * DEMAND.event_bytes
    assert capacity.backlog_max_events > capacity.backlog_events


WORKED_OUT = Demand(rate=100_000, event_bytes=100, latency_s=0.2, outage_s=3_600, catch_up_s=3_600)


def test_a_plan_worked_out_by_hand() -> None:
    """Twice the rate while catching up: 3.4 µs of a worker and 1.58 µs of Redis for each of 200,000 events."""
    assert plan(WORKED_OUT).as_json() == pytest.approx(
        {
            "per_worker": 0.7e6 / 3.4,
            "workers": 1,
            "requests_at_once": 80,
            "batch_events": 500,
            "requests_per_s": 400,
            "redis_cores": 0.316,
            "nodes": 1,
            "partitions": 1,
            "backlog_events": 360_000_000,
            "redis_bytes": (33_554_432 + 360_000_000 * 102.1) / 0.9,
            "max_drains": 4,
            "backlog_max_events": 432_000_000,
        }
    )


def test_a_plan_for_single_entries_worked_out_by_hand() -> None:
    capacity = plan(replace(WORKED_OUT, singles=True), memory_max_percent=80)
    assert (capacity.per_worker, capacity.redis_cores) == pytest.approx((0.7e6 / 9.18, 3.698))
    assert (capacity.workers, capacity.max_drains, capacity.nodes, capacity.partitions) == (3, 4, 6, 12)
    assert capacity.redis_bytes == pytest.approx((33_554_432 + 360_000_000 * 113.4) / 0.8)


def test_the_least_there_can_be() -> None:
    capacity = plan(Demand(rate=0.001, event_bytes=2_000_000, latency_s=0.001, outage_s=1, catch_up_s=1))
    assert (capacity.workers, capacity.requests_at_once, capacity.batch_events, capacity.nodes) == (1, 1, 1, 1)
    assert capacity.backlog_max_events == 10_000_000
    assert plan(replace(WORKED_OUT, rate=250_000)).nodes == 3, "two of which can agree that the third is away"


def test_the_most_that_can_be_set() -> None:
    capacity = plan(replace(WORKED_OUT, rate=1e8, singles=True))
    assert (capacity.max_drains, capacity.partitions) == (64, 64)


def test_workers_carry_the_rate_and_what_is_to_be_caught_up_with() -> None:
    capacity = plan(replace(DEMAND, rate=1e6))
    assert (capacity.workers - 1) * capacity.per_worker < 2e6 <= capacity.workers * capacity.per_worker


def test_as_many_requests_are_in_flight_as_the_latency_wants() -> None:
    capacity = plan(replace(DEMAND, latency_s=2, outage_s=0.001))
    assert capacity.requests_at_once == 20_000 // 500 * 2 + 1  # and what the outage adds


def test_a_batch_is_bound_by_its_bytes_too() -> None:
    assert plan(replace(DEMAND, event_bytes=10_000)).batch_events == 104
    sizes = [plan(replace(DEMAND, event_bytes=99, batch_bytes=size)).batch_events for size in (990, 1_000)]
    assert sizes == [9, 10], "each with its comma"


def test_one_server_needs_no_partitions_and_a_cluster_has_some_on_each_node() -> None:
    assert (plan(DEMAND).nodes, plan(DEMAND).partitions) == (1, 1)
    large = plan(replace(DEMAND, rate=2e7, singles=True))
    assert large.nodes > 1
    assert large.partitions == min(64, 2 * large.nodes)
    assert large.redis_cores / large.nodes <= BUSY


def test_single_entries_cost_more() -> None:
    assert SINGLES.worker_us > ARRAYS.worker_us
    assert SINGLES.redis_us > ARRAYS.redis_us
    assert SINGLES.memory > ARRAYS.memory


@given(st.floats(0.001, 1e8), st.integers(1, 100_000), st.floats(0.001, 60), st.floats(1, 1e6))
def test_every_demand_has_an_answer_within_what_may_be_set(
    rate: float, size: int, latency_s: float, outage_s: float
) -> None:
    capacity = plan(Demand(rate, size, latency_s, outage_s, outage_s))
    assert capacity.workers >= 1
    assert capacity.requests_at_once >= 1
    assert 1 <= capacity.partitions <= 64
    assert 4 <= capacity.max_drains <= 64


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (200 * 2**30, "200 GiB"), (2**60, "1024 PiB")],
)
def test_bytes_are_shown_in_the_unit_that_fits(amount: float, shown: str) -> None:
    assert shown_bytes(amount) == shown


def test_the_command_says_what_to_set() -> None:
    done = CliRunner().invoke(app, ["plan", "--rate", "20000", "--outage", "6h"])
    assert done.exit_code == 0, done.output
    assert "FORWARDER_BACKLOG_MAX_EVENTS=518400000 (it is 10,000,000)" in done.output
    as_json = CliRunner().invoke(app, ["plan", "--rate", "20000", "--outage", "6h", "--json"])
    assert json.loads(as_json.stdout)["backlog_events"] == 432_000_000


def test_the_plan_in_the_document_is_what_the_command_says() -> None:
    (block,) = re.findall(
        r"```console\n\$ forwarder (plan .*?)```", (ROOT / "deploy" / "README.md").read_text(), re.DOTALL
    )
    command, _, shown = block.partition("\n")
    done = CliRunner().invoke(app, command.split())
    assert done.output.split() == shown.split()
