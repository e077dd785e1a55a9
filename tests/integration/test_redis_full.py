"""Redis is full, or only RQ's part of it is away: events are drained all the same, without RQ where need be."""

import os
import signal
from pathlib import Path

import pytest
from rq.suspension import resume, suspend

from forwarder.embedded import EmbeddedServer
from forwarder.paths import DataDir
from forwarder.queue.keys import Keys
from tests.integration.conftest import StartRig
from tests.support.redis_trouble import LONG_S, all_is_well, events, full, idle_worker, registered
from tests.support.rig import Rig
from tests.support.waiting import eventually


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_an_idle_worker_drains_a_full_server_without_rq(start_rig: StartRig, *, stock: bool) -> None:
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="0.5")
    worker = idle_worker(rig, stock=stock)
    os.kill(worker.pid, signal.SIGSTOP)
    rig.client().send_many(events(5_000))
    with full(rig):
        os.kill(worker.pid, signal.SIGCONT)
        rig.assert_everything_arrived(5_000)
        assert rig.redis.zcard("rq:finished:feedback") == 0, "no RQ job can be booked"
    all_is_well(rig, worker)
    assert (rig.said("redis_full"), rig.said("quitting")) == (1, 0), rig.log.read_text()


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_a_worker_that_starts_on_a_full_server_drains_it(start_rig: StartRig, *, stock: bool) -> None:
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="sandbox", FORWARDER_DRAIN_IDLE_S="0.5")
    rig.client().send_many(events(5_000))
    rig.client(destination="eu").send_many(events(2_000, "eu"))
    with full(rig):
        worker = rig.start_rq_worker() if stock else rig.start_worker()
        assert eventually(lambda: rig.books()["delivered"] == 5_000, 30), rig.log.read_text()[-4000:]
        assert eventually(lambda: rig.books("eu")["delivered"] == 2_000, 30), rig.log.read_text()[-4000:]
        assert registered(rig) == []
    all_is_well(rig, worker)
    assert rig.said("worker_started") == 1


def test_a_burst_drains_a_full_server_and_ends(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="0.5")
    rig.client().send_many(events(2_000))
    with full(rig):
        assert rig.start_worker("--burst").wait(30) == 0
        assert rig.books()["delivered"] == 2_000


def test_a_busy_worker_is_not_disturbed_by_a_server_that_gets_full(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = rig.start_worker()
    rig.client().send_many(events(20_000))
    horse = rig.in_mid_delivery()
    with full(rig):
        rig.sandbox.clear_faults()
        assert rig.settled()["delivered"] == 20_000
        assert rig.horses() == [horse]
        assert eventually(lambda: rig.horses() == []), "its job ends, though RQ cannot book it"
        assert eventually(lambda: rig.logged("redis_full")), rig.log.read_text()[-4000:]
    rig.assert_everything_arrived(20_000)
    all_is_well(rig, worker)
    assert rig.said("drain_without_rq") == 0
    assert (rig.said("job_not_booked"), rig.said("terminated unexpectedly")) == (1, 0)


def test_a_server_that_its_backlog_filled_is_emptied_and_all_is_well_without_a_restart(rig: Rig) -> None:
    rig.client().send_many(events(30_000))
    rig.redis.config_set("maxmemory", rig.redis.info("memory")["used_memory"] - 1_000_000)
    worker = rig.start_worker()
    rig.assert_everything_arrived(30_000)
    assert eventually(lambda: rig.logged("redis_back"))
    assert rig.said("drain_without_rq") == 1
    all_is_well(rig, worker)


def test_rq_knows_the_worker_as_soon_as_there_is_memory_also_while_it_drains_without_rq(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "hang", "seconds": 20})
    rig.client().send_many(events(10))
    with full(rig):
        rig.start_worker()
        horse = rig.in_mid_delivery()
        assert registered(rig) == []
    assert eventually(lambda: registered(rig) == ["busy"]), rig.log.read_text()[-4000:]
    assert rig.horses() == [horse]


def test_destinations_take_turns_while_rq_cannot_work(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="sandbox")
    rig.client().send_many(events(10))
    rig.client(destination="eu").send_many(events(10))
    sweep = rig.sweep()
    taken = []
    with full(rig):
        for _ in range(4):
            promise = sweep.take()
            assert promise
            taken.append(promise.keys.destination)
            rig.redis.delete(promise.keys.lease(promise.slot))
    assert taken == ["default", "eu", "default", "eu"]


def test_a_suspended_worker_does_not_drain_a_full_server_either(rig: Rig) -> None:
    rig.client().send_many(events(10))
    suspend(rig.redis)
    with full(rig):
        rig.start_worker()
        assert eventually(lambda: rig.logged("redis_full"))
        assert not eventually(lambda: rig.books()["delivered"], within_s=2)
        resume(rig.redis)
        rig.assert_everything_arrived(10)


def test_a_drain_goes_on_without_rq_when_only_rqs_server_is_away(start_rig: StartRig, tmp_path: Path) -> None:
    control = EmbeddedServer(DataDir(tmp_path))
    control.start()
    try:
        rig = start_rig(FORWARDER_CONTROL_URL=f"unix://{DataDir(tmp_path).socket}", FORWARDER_DRAIN_IDLE_S="0.5")
        worker = rig.start_worker()
        assert eventually(lambda: rig.logged("worker_started"))
        control.stop()
        rig.client().send_many(events(100))
        rig.assert_everything_arrived(100)
        assert rig.logged("drain_without_rq")
        control.start()
        assert eventually(lambda: rig.logged("redis_back")), rig.log.read_text()[-4000:]
        rig.client().send_many(events(100, "well"))
        rig.assert_everything_arrived(200)
        assert worker.poll() is None
    finally:
        control.stop()


def test_a_promise_that_a_full_server_lets_nobody_keep_is_taken_back(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="sandbox", FORWARDER_LEASE_TTL_S=LONG_S)
    rig.sandbox.set_faults({"kind": "hang", "seconds": 5})
    rig.start_worker()
    rig.client().send_many(events(10))
    horse = rig.in_mid_delivery()
    os.kill(horse, signal.SIGSTOP)  # or its sweep would find the next events before the server is full
    rig.client(destination="eu").send_many(events(10, "eu"))
    with full(rig):
        os.kill(horse, signal.SIGCONT)
        assert eventually(lambda: rig.said("sweep_missed") > 1), rig.log.read_text()[-4000:]
        assert eventually(lambda: rig.redis.get(Keys("eu").lease(0)) is None, within_s=1), "long before it runs out"
        rig.sandbox.clear_faults()
        assert eventually(lambda: rig.books("eu")["delivered"] == 10, 30), "without RQ, when the first drain has ended"


def test_a_worker_that_books_its_horses_end_on_a_frozen_server_ends_with_its_supervisor(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="60")
    supervisor = rig.start_supervisor("-n", "1")
    rig.client().send_many(events(10))
    rig.assert_everything_arrived(10)
    (worker,) = rig.children(supervisor.pid)
    (horse,) = rig.children(worker)
    with rig.frozen_server():
        rig.kill(horse)
        assert eventually(lambda: not rig.children(worker)), "it has seen that, and tells RQ"
        supervisor.kill()
        assert eventually(lambda: not Path(f"/proc/{worker}").exists(), within_s=8), "Redis may take 6 s for an answer"
    supervisor.wait()
