"""Workers that are asked to stop, idle and busy, once and twice."""

import os
import signal
import time
from pathlib import Path

import pytest

from forwarder.signals import TOGETHER_S
from tests.integration.conftest import StartRig
from tests.support.events import events
from tests.support.rig import Rig
from tests.support.stopping import LONG, SOON_S, nothing_is_left, started
from tests.support.waiting import eventually


def catches(pid: int, signum: int) -> bool:
    """Whether the process has a handler for a signal by now."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(line.split()[1], 16) & 1 << (signum - 1))


# Idle


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_an_idle_worker_stops_at_once(start_rig: StartRig, signum: int, *, stock: bool) -> None:
    rig = start_rig(**LONG)
    worker = started(rig, stock=stock)
    worker.send_signal(signum)
    assert worker.wait(SOON_S) == 0
    nothing_is_left(rig)


def test_a_worker_stops_from_its_first_moments_on(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    worker = rig.start_worker()
    assert eventually(lambda: catches(worker.pid, signal.SIGTERM))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0
    assert not rig.logged("worker_started")


def test_a_worker_stops_while_another_one_drains(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "hang"})
    rig.client().send_many(events(10))
    rig.start_worker()
    rig.in_mid_delivery()
    other = rig.start_worker()
    assert eventually(lambda: rig.said("worker_started") == 2)
    other.send_signal(signal.SIGTERM)
    assert other.wait(SOON_S) == 0


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_a_worker_stops_while_redis_is_away(start_rig: StartRig, *, stock: bool) -> None:
    rig = start_rig(**LONG)
    worker = started(rig, stock=stock)
    rig.kill_server()
    assert eventually(lambda: rig.said("redis_away"))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0


def test_a_worker_stops_that_has_never_seen_redis(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.server.stop()
    worker = rig.start_worker()
    assert eventually(lambda: rig.said("redis_away"))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0


@pytest.mark.parametrize("after_s", [0, 0.5, 3])
def test_a_worker_stops_while_redis_does_not_answer(start_rig: StartRig, after_s: float) -> None:
    rig = start_rig(**LONG, FORWARDER_REDIS_TIMEOUT_S="60")
    worker = started(rig)
    with rig.frozen_server():
        time.sleep(after_s)  # where it hangs differs
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(SOON_S) == 0


def test_rqs_own_limits_end_a_worker(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="0.2")
    assert rig.start_rq_worker("--max-idle-time", "1").wait(SOON_S) == 0
    rig.client().send_many(events(10))
    assert rig.start_rq_worker("--max-jobs", "1").wait(SOON_S) == 0
    assert rig.books()["delivered"] == 10
    nothing_is_left(rig)


# Busy


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
@pytest.mark.parametrize("told", ["worker", "both", "horse first"])
def test_a_busy_worker_settles_what_is_in_flight_and_hands_the_rest_over(
    start_rig: StartRig, told: str, *, stock: bool
) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = started(rig, stock=stock)
    rig.client().send_many(events(20_000))
    horse = rig.in_mid_delivery()
    if told != "worker":
        os.kill(horse, signal.SIGTERM)
    if told == "horse first":
        assert eventually(lambda: not Path(f"/proc/{horse}").exists()), "it ends, and its worker goes on"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0
    nothing_is_left(rig)
    rig.start_worker()
    rig.assert_everything_arrived(20_000)
    assert rig.sandbox.counts()["duplicates"] == 0


def test_a_signal_at_any_moment_of_a_jobs_life_fails_no_job_and_loses_nothing(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="0.1", FORWARDER_SHUTDOWN_GRACE_S="5")
    for number in range(4):
        worker = started(rig)
        rig.client().send_many(events(10, f"r{number}-"))
        time.sleep(number * 0.04)  # before, at, and after the fork
        for pid in (worker.pid, *rig.horses()):
            with_luck(pid)
        assert worker.wait(SOON_S) == 0
        assert rig.redis.zcard("rq:failed:feedback") == 0, rig.log.read_text()[-4000:]
        rig.log.unlink()
    rig.start_worker()
    rig.assert_everything_arrived(40)


def with_luck(pid: int) -> None:
    """SIGTERM to a process that may be gone."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def test_signals_that_come_together_are_one_request(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_SHUTDOWN_GRACE_S="4", FORWARDER_LEASE_TTL_S="600")
    rig.sandbox.set_faults({"kind": "latency", "ms": 3_000})
    worker = started(rig)
    rig.client().send_many(events(10))
    rig.in_mid_delivery()
    for _ in range(3):
        worker.send_signal(signal.SIGTERM)
        assert worker.poll() is None
    assert worker.wait(SOON_S) == 0
    assert rig.books()["delivered"] == 10, "the request in flight had its time"
    assert not rig.logged("horse_hurried")
    nothing_is_left(rig)


def test_a_second_signal_makes_the_horse_hand_back_at_once_and_the_worker_ends_well(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "hang"})
    worker = started(rig)
    rig.client().send_many(events(10))
    horse = rig.in_mid_delivery()
    worker.send_signal(signal.SIGTERM)
    assert not eventually(lambda: worker.poll() is not None, within_s=TOGETHER_S + 0.5), "it waits for the request"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0
    assert not Path(f"/proc/{horse}").exists()
    assert rig.logged("horse_hurried")
    assert not rig.logged("horse_killed")
    nothing_is_left(rig)
    rig.sandbox.clear_faults()
    rig.start_worker()
    rig.assert_everything_arrived(10)


def test_a_horse_that_does_not_end_in_its_grace_is_killed_and_the_worker_ends_well(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_SHUTDOWN_GRACE_S="0.5")
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = started(rig)
    rig.client().send_many(events(5_000))
    horse = rig.in_mid_delivery()
    os.kill(horse, signal.SIGSTOP)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0
    assert rig.logged("horse_killed")
    assert not Path(f"/proc/{horse}").exists()
    rig.start_worker()
    rig.assert_everything_arrived(5_000)


def test_a_worker_that_drains_a_full_server_without_rq_stops_gracefully(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    rig.client().send_many(events(20_000))
    rig.redis.config_set("maxmemory", 1)
    worker = started(rig)
    rig.in_mid_delivery()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SOON_S) == 0
    assert rig.logged("drain_without_rq")
    assert not rig.logged("horse_died")
    assert eventually(lambda: rig.books().drains == 0, SOON_S)
    rig.redis.config_set("maxmemory", 0)
    rig.start_worker()
    rig.assert_everything_arrived(20_000)
    assert rig.sandbox.counts()["duplicates"] == 0


def test_kill_9_of_a_worker_that_drains_a_full_server_ends_its_horse(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    rig.client().send_many(events(20_000))
    rig.redis.config_set("maxmemory", 1)
    worker = started(rig)
    horse = rig.in_mid_delivery()
    rig.kill(worker.pid)
    worker.wait()
    assert eventually(lambda: not Path(f"/proc/{horse}").exists(), within_s=SOON_S), "an orphaned horse must not go on"
    rig.redis.config_set("maxmemory", 0)
    rig.start_worker()
    rig.assert_everything_arrived(20_000)
