"""Processes that are really killed: nothing is lost, and the books close."""

import os
import signal
from pathlib import Path

from forwarder.queue.connection import connect
from forwarder.queue.lease import PROMISED
from tests.integration.conftest import StartRig
from tests.support.events import events
from tests.support.rig import Rig
from tests.support.waiting import eventually


def test_kill_9_of_a_work_horse_in_mid_delivery_loses_nothing(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    rig.start_worker()
    rig.client().send_many(events(20_000))
    rig.in_mid_delivery()
    (horse,) = rig.horses()
    rig.kill(horse)
    rig.assert_everything_arrived(20_000)


def test_kill_9_of_a_worker_ends_its_horse_and_another_worker_takes_over(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = rig.start_worker()
    rig.client().send_many(events(20_000))
    rig.in_mid_delivery()
    (horse,) = rig.horses()
    rig.kill(worker.pid)
    worker.wait()
    assert eventually(lambda: not Path(f"/proc/{horse}").exists(), within_s=10), "an orphaned horse must not go on"
    rig.start_worker()
    rig.assert_everything_arrived(20_000)


def test_kill_9_of_worker_and_horse_together(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = rig.start_worker()
    rig.client().send_many(events(5_000))
    rig.in_mid_delivery()
    (horse,) = rig.horses()
    os.kill(horse, signal.SIGSTOP)  # so that it cannot notice its worker's death
    rig.kill(worker.pid)
    rig.kill(horse)
    worker.wait()
    rig.start_worker()
    rig.assert_everything_arrived(5_000)


def test_kill_9_of_the_queue_server_loses_nothing_that_it_acknowledged(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 100})
    rig.start_worker()
    rig.client().send_many(events(20_000))
    rig.in_mid_delivery()
    assert rig.server.pid
    rig.kill(rig.server.pid)
    assert eventually(lambda: rig.server.pid is None)
    rig.server.start()
    rig.redis = connect(rig.settings)
    rig.assert_everything_arrived(20_000)


def test_a_stop_hands_back_what_waits_for_its_next_try(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_RETRY_BASE_MS="60000", FORWARDER_RETRY_MAX_MS="60000", FORWARDER_LEASE_TTL_S="600")
    rig.sandbox.set_faults({"kind": "status", "status": 503})
    worker = rig.start_worker()
    rig.client().send_many(events(100))
    rig.in_mid_delivery()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    left = rig.redis.get(rig.keys.lease(0))
    assert left in (None, PROMISED.encode()), "the lease is given back, not left to run out; another may be promised it"
    rig.start_worker()
    rig.assert_everything_arrived(100)


def test_a_stop_under_load_is_quick_and_clean(rig: Rig) -> None:
    worker = rig.start_worker()
    rig.sandbox.set_faults({"kind": "latency", "ms": 50})
    rig.client().send_many(events(200_000))
    rig.in_mid_delivery()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert rig.books().drains == 0
    rig.assert_books_close()
    rig.start_worker()
    rig.assert_everything_arrived(200_000)
    assert rig.sandbox.counts()["duplicates"] == 0


def test_a_stop_that_reaches_worker_and_horse_together(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    worker = rig.start_worker()
    rig.client().send_many(events(5_000))
    rig.in_mid_delivery()
    (horse,) = rig.horses()
    os.kill(horse, signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    rig.start_worker()
    rig.assert_everything_arrived(5_000)


def test_a_drain_job_that_rq_lost_is_replaced(rig: Rig) -> None:
    rig.client().send_many(events(10))
    rig.redis.set(rig.keys.lease(0), "promised", px=1_500)
    rig.start_worker()
    rig.assert_everything_arrived(10)


def test_a_session_that_ends_keeps_what_it_knows_of_a_batch_that_it_cuts(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DRAIN_SESSION_S="1.5", FORWARDER_DRAIN_IDLE_S="0.2")
    rig.sandbox.set_faults(
        {"kind": "latency", "ms": 30}, {"kind": "refuse", "field": "value", "equals": -9, "name_index": False}
    )
    rig.client().send_many(event | {"value": -9 if number % 10 == 0 else 1} for number, event in enumerate(events(200)))
    rig.start_worker()
    books = rig.settled(40)
    assert (books["delivered"], books.dead) == (180, 20)
    assert rig.sandbox.counts()["duplicates"] == 0
    rig.assert_books_close()


def test_a_stop_does_not_begin_anything_new(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BATCH_MAX_EVENTS="10", FORWARDER_CONCURRENCY_MAX="2")
    rig.sandbox.set_faults({"kind": "hang"})
    for _ in range(40):
        rig.client().send_many(events(10))
    worker = rig.start_worker()
    rig.in_mid_delivery()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert rig.books().drains == 0
    assert len(rig.sandbox.requests()) <= 2
