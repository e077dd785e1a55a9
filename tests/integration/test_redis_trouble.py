"""Redis restarts, is away, hangs, loads, loses its data or RQ's jobs: workers and their horses live through it all."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forwarder.embedded import EmbeddedServer
from forwarder.paths import DataDir
from tests.integration.conftest import StartRig
from tests.support.redis_trouble import LONG_S, all_is_well, events, idle_worker, registered
from tests.support.rig import Rig
from tests.support.waiting import eventually

GIVES_UP_TWICE = """
import os
from forwarder.settings import load_settings
from workers import worker

left = [1, 2]

class Unlucky(worker.FeedbackWorker):
    def check_for_suspension(self, burst):
        if left and left.pop():
            raise RuntimeError("whatever RQ's loop does not expect")
        super().check_for_suspension(burst)

worker.FeedbackWorker = Unlucky
worker.run_worker(load_settings(), os.getppid())
"""


# Away


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_an_idle_worker_lives_through_a_restart_and_says_so_once(rig: Rig, *, stock: bool) -> None:
    worker = idle_worker(rig, stock=stock)
    rig.server.stop()
    assert eventually(lambda: rig.said("redis_away")), rig.log.read_text()
    assert not eventually(lambda: worker.poll() is not None, within_s=3)
    rig.server.start()
    assert eventually(lambda: rig.said("redis_back")), rig.log.read_text()
    all_is_well(rig, worker)
    assert (rig.said("redis_away"), rig.said("redis_back")) == (1, 1), rig.log.read_text()
    assert not any(rig.said(noise) for noise in ("quitting", "could not connect", "Traceback")), rig.log.read_text()


def test_an_idle_worker_lives_through_a_server_that_lost_its_data(rig: Rig) -> None:
    worker = idle_worker(rig)
    rig.kill_server()
    shutil.rmtree(rig.folder / "data" / "valkey" / "appendonlydir")
    rig.server.start()
    all_is_well(rig, worker)


def test_an_idle_worker_outlasts_every_retry_of_its_clients(rig: Rig) -> None:
    worker = idle_worker(rig)
    rig.kill_server()
    assert not eventually(lambda: worker.poll() is not None, within_s=6)
    rig.server.start()
    all_is_well(rig, worker)


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_a_worker_lives_through_a_server_that_hangs_longer_than_all_its_timeouts(
    start_rig: StartRig, *, stock: bool
) -> None:
    rig = start_rig(FORWARDER_REDIS_TIMEOUT_S="0.2")
    worker = idle_worker(rig, stock=stock)
    with rig.frozen_server():
        assert not eventually(lambda: worker.poll() is not None, within_s=8)
    all_is_well(rig, worker)


class SlowServer(EmbeddedServer):
    """Takes a millisecond per key to load its file, and says LOADING meanwhile."""

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]


def test_a_worker_waits_until_the_server_has_loaded_its_file(rig: Rig) -> None:
    rig.redis.mset({f"k{number}": "x" for number in range(3_000)})
    rig.redis.bgrewriteaof()
    assert eventually(lambda: not rig.redis.info("persistence")["aof_rewrite_in_progress"])
    worker = idle_worker(rig)
    rig.server.stop()
    rig.server = SlowServer(DataDir(rig.folder / "data"))
    rig.server.start()  # returns when it has loaded
    assert rig.logged("redis_away"), rig.log.read_text()  # whether it met the gap or the loading first
    all_is_well(rig, worker)


def test_a_worker_that_starts_while_the_server_is_away_begins_when_it_is_back(rig: Rig) -> None:
    rig.server.stop()
    worker = rig.start_worker()
    assert eventually(lambda: rig.logged("redis_away")), rig.log.read_text()
    assert not rig.logged("worker_started")
    rig.server.start()
    all_is_well(rig, worker)
    assert rig.said("worker_started") == 1


@pytest.mark.parametrize("stock", [False, True], ids=["ours", "rq worker"])
def test_a_busy_worker_and_its_horse_live_through_an_outage_with_missed_heartbeats(rig: Rig, *, stock: bool) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = rig.start_rq_worker("--job-monitoring-interval", "1") if stock else rig.start_worker()
    rig.client().send_many(events(20_000))
    horse = rig.in_mid_delivery()
    rig.kill_server()
    assert not eventually(lambda: worker.poll() is not None or rig.horses() != [horse], within_s=5)
    rig.server.start()
    assert not eventually(lambda: len(rig.horses()) > 1, within_s=2), "never two horses"
    rig.assert_everything_arrived(20_000)
    all_is_well(rig, worker)
    assert rig.redis.zcard("rq:failed:feedback") == 0


def test_a_worker_learns_how_its_horse_ended_while_the_server_was_away(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = rig.start_worker()
    rig.client().send_many(events(5_000))
    horse = rig.in_mid_delivery()
    rig.kill_server()
    rig.kill(horse)
    assert eventually(lambda: not Path(f"/proc/{horse}").exists()), "reaped"
    rig.server.start()
    rig.assert_everything_arrived(5_000)
    assert worker.poll() is None


# What RQ loses, and chokes on


def test_a_worker_outlives_what_rq_gives_up_on(rig: Rig) -> None:
    worker = rig.start(sys.executable, "-c", GIVES_UP_TWICE)
    rig.workers.append(worker)
    assert eventually(lambda: rig.said("rq_gave_up") == 2), rig.log.read_text()[-4000:]
    all_is_well(rig, worker)
    worker.terminate()
    assert worker.wait(10) == 0


def test_a_worker_outlives_what_rqs_maintenance_chokes_on(rig: Rig) -> None:
    rig.redis.rpush("rq:groups", "no set at all")
    worker = rig.start_worker()
    assert eventually(lambda: rig.said("maintenance_failed")), rig.log.read_text()[-4000:]
    all_is_well(rig, worker)


@pytest.mark.parametrize("left_in", ["nowhere", "intermediate"])
def test_a_drain_job_that_rq_lost_is_missed_within_seconds(start_rig: StartRig, left_in: str) -> None:
    rig = start_rig(FORWARDER_LEASE_TTL_S=LONG_S)
    worker = idle_worker(rig)
    os.kill(worker.pid, signal.SIGSTOP)
    rig.client().send_many(events(10))
    rig.sweep().run(spare=True)
    job = lost_job(rig, left_in)
    os.kill(worker.pid, signal.SIGCONT)
    rig.assert_everything_arrived(10)
    assert 0 < rig.redis.ttl(f"rq:job:{job}") <= 300, "its hash is not kept for ever"


def lost_job(rig: Rig, left_in: str) -> str:
    """Take the job off RQ's list, as a worker does that dies at the wrong moment."""
    (job,) = rig.redis.lrange("rq:queue:feedback", 0, -1)
    if left_in == "intermediate":
        rig.redis.rpush("rq:queue:feedback:intermediate", job)
    rig.redis.delete("rq:queue:feedback")
    assert isinstance(job, bytes)
    return job.decode()


def test_what_a_lost_job_left_on_rqs_intermediate_list_goes_when_its_hash_has_run_out(rig: Rig) -> None:
    rig.client().send_many(events(10))
    rig.sweep().run(spare=True)
    job = lost_job(rig, "intermediate")
    rig.redis.pexpire(f"rq:job:{job}", 1)
    rig.start_worker()
    rig.assert_everything_arrived(10)
    assert eventually(lambda: rig.redis.llen("rq:queue:feedback:intermediate") == 0)
    assert rig.redis.zcard("rq:failed:feedback") == 0


def test_rqs_own_maintenance_runs_in_an_idle_worker(rig: Rig) -> None:
    rig.start_rq_worker("--maintenance-interval", "1")
    assert eventually(lambda: registered(rig) == ["idle"]), rig.log.read_text()
    rig.redis.rpush("rq:queue:feedback:intermediate", "a-job-without-a-hash")
    assert eventually(lambda: rig.redis.llen("rq:queue:feedback:intermediate") == 0)


def test_a_promise_that_runs_out_while_its_job_waits_costs_no_second_drain(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="0.5", FORWARDER_LEASE_TTL_S="60")  # a slow machine's worker starts in time
    rig.client().send_many(events(10))
    sweep = rig.sweep()
    sweep.run(spare=True)
    rig.redis.delete(rig.keys.lease(0))  # the promise has run out; the job waits for a busy worker
    assert sweep.run() == {}
    assert rig.redis.llen("rq:queue:feedback") == 1, "a busy worker's sweep enqueues no other"
    sweep.run(spare=True)
    assert rig.redis.llen("rq:queue:feedback") == 2, "an idle worker's does, before it takes the first"
    rig.start_worker("--burst").wait(30)
    rig.assert_everything_arrived(10)
    assert rig.said("drain_began") + rig.said("drain_not_needed") == 2


def hears_ctrl_c() -> None:
    """In a child: also when the tests are a shell's background job, which ignores it and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_whoever_watches_is_told_and_goes_on_watching(rig: Rig) -> None:
    command = [sys.executable, "-m", "forwarder.cli", "status", "--watch", "--json"]
    with subprocess.Popen(
        command,
        env=rig.environment,
        cwd=rig.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_ctrl_c,  # noqa: PLW1509 - one system call
    ) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert '"accepted": 0' in watching.stdout.readline()
        rig.kill_server()
        assert "trying again" in watching.stderr.readline()
        rig.server.start()
        with rig.client() as client:
            client.send(trace_id="t1", value=1)
        assert any('"accepted": 1' in line for line in watching.stdout)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
