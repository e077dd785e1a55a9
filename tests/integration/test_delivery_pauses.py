"""Outages, Retry-After, a refused key, a hand: the destination is paused for every worker, and probed in time."""

import signal

import pytest

from forwarder.queue.flow import Breaker, Flow, encode, exchange, read_flow
from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause, get_pause
from forwarder.queue.scripts import run
from tests.integration.conftest import StartRig
from tests.support.events import events
from tests.support.rig import Rig
from tests.support.waiting import eventually


def paused(rig: Rig, kind: str | None = None, keys: Keys | None = None) -> Pause:
    """The pause, once there is one."""

    def look() -> Pause | None:
        pause = get_pause(rig.redis, keys or rig.keys)
        return pause if pause and kind in (None, pause.kind) else None

    pause = eventually(look)
    assert pause, rig.log.read_text()[-3000:]
    return pause


def test_an_outage_leaves_a_backlog_and_costs_a_request_per_pause_and_no_event(rig: Rig) -> None:
    rig.start_worker()
    rig.start_worker()
    rig.client().send_many(events(10))
    rig.settled()
    before = rig.sandbox.counts()["requests"]
    rig.sandbox.set_faults({"kind": "status", "status": 503})
    for number in range(40):
        rig.client().send_many(events(50, prefix=f"a{number}-"))
    pause = paused(rig, "upstream")
    assert "the upstream fails (HTTP 503)" in pause.reason
    assert eventually(lambda: rig.logged("probing"))
    failed = eventually(lambda: len(rig.sandbox.requests(1_000)) - before > 10 and rig.sandbox.requests(1_000))
    assert failed
    rig.sandbox.clear_faults()
    books = rig.settled(60)
    assert (books["delivered"], books.dead) == (2_010, 0)
    assert eventually(lambda: get_pause(rig.redis, rig.keys) is None)
    assert not read_flow(rig.redis, rig.keys).breaker.open
    rig.assert_books_close()


def test_an_upstream_that_is_not_there_at_all_burns_no_attempt(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_RETRY_MAX_ATTEMPTS="8", FORWARDER_PAUSE_MIN_S="0.1", FORWARDER_PAUSE_MAX_S="0.2")
    rig.sandbox.kill()
    rig.start_worker()
    rig.client().send_many(events(3_000))
    assert eventually(lambda: rig.log.exists() and rig.log.read_text().count('"probing"') >= 20, 60)
    rig.sandbox.restart()
    books = rig.settled(60)
    assert (books["delivered"], books.dead) == (3_000, 0)
    rig.assert_books_close()


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_pauses_the_destination_for_every_worker(start_rig: StartRig, status: int) -> None:
    rig = start_rig(FORWARDER_BATCH_MAX_EVENTS="10", FORWARDER_CONCURRENCY="4")
    rig.sandbox.set_faults({"kind": "latency", "ms": 40})
    rig.start_worker()
    rig.start_worker()
    rig.client().send_many(events(4_000))
    assert eventually(lambda: rig.books().drains == 2 and rig.sandbox.counts()["requests"] > 20)
    rig.sandbox.add_fault({"kind": "status", "status": status, "retry_after": 2, "count": 1})
    pause = paused(rig, "upstream")
    assert f"HTTP {status}: the upstream asks to wait 2 s" in pause.reason
    assert pause.until_ms
    assert pause.until_ms - pause.since_ms >= 2_000
    books = rig.settled(60)
    assert (books["delivered"], books.dead) == (4_000, 0)
    asked = next(r for r in rig.sandbox.requests(10_000) if r["status"] == status)
    meanwhile = [
        request for request in rig.sandbox.requests(10_000) if asked["at"] + 0.5 < request["at"] < asked["at"] + 1.9
    ]
    assert meanwhile == []


def test_a_key_that_is_mended_by_a_restart_is_tried_at_once(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_PAUSE_MIN_S="3600", FORWARDER_PAUSE_MAX_S="3600")
    rig.sandbox.set_keys(["new-key"])
    worker = rig.start_worker()
    rig.client().send_many(events(2_000))
    pause = paused(rig, "settings")
    assert "FORWARDER_API_KEY" in pause.reason
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    rig.variables["FORWARDER_API_KEY"] = "new-key"
    rig.start_worker()
    books = rig.settled()
    assert (books["delivered"], books.dead) == (2_000, 0)
    assert rig.sandbox.counts()["duplicates"] == 0
    rig.assert_books_close()


def test_a_pause_names_the_variable_of_its_destination(start_rig: StartRig) -> None:
    long = {"FORWARDER_PAUSE_MIN_S": "3600", "FORWARDER_PAUSE_MAX_S": "3600"}
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="wrong-key", **long)
    rig.sandbox.set_keys(["sandbox"])
    rig.start_worker()
    rig.client(destination="eu").thumbs_up("t")
    assert "set FORWARDER_DESTINATIONS__EU__API_KEY" in paused(rig, "settings", Keys("eu")).reason


def test_a_restart_with_the_same_wrong_key_costs_one_request_and_pauses_again(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_PAUSE_MIN_S="3600", FORWARDER_PAUSE_MAX_S="3600")
    rig.sandbox.set_keys(["new-key"])
    for started in (1, 2):
        worker = rig.start_worker()
        rig.client().send_many(events(10))
        assert eventually(lambda started=started: rig.sandbox.statuses()[401] == started)  # type: ignore[misc]
        paused(rig, "settings")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
    assert rig.sandbox.statuses()[401] == 2
    assert rig.books()["pending"] == 20


def test_a_pause_by_hand_holds_and_resume_lets_flow(rig: Rig) -> None:
    rig.redis.hset(rig.keys.pause, mapping={"reason": "by hand", "kind": "hand", "since": "1"})
    rig.start_worker()
    rig.client().send_many(events(10))
    assert not eventually(lambda: rig.sandbox.counts()["requests"], within_s=2)
    rig.redis.delete(rig.keys.pause)
    assert rig.settled()["delivered"] == 10


def test_a_drain_that_finds_the_pause_over_sends_the_probe_at_once(start_rig: StartRig) -> None:
    """Also when its session would end sooner than its next report is due."""
    rig = start_rig(FORWARDER_DRAIN_IDLE_S="0.5")
    opened = Flow(breaker=Breaker(open=True, trips=3))
    run(rig.redis, exchange(rig.keys, b"", encode(opened), None))
    rig.client().send_many(events(10))
    rig.start_worker()
    assert rig.settled(15)["delivered"] == 10
    assert not read_flow(rig.redis, rig.keys).breaker.open
