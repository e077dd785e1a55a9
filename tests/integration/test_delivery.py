"""What the upstream may do to us: refuse, push back, be slow, kill a drain; real processes, real HTTP."""

import json
import signal
from collections import Counter
from typing import Any

import pytest

from forwarder.queue.flow import read_flow
from forwarder.queue.keys import Keys
from forwarder.queue.pause import get_pause
from forwarder.queue.scripts import run
from forwarder.queue.stream import ensure_group
from tests.integration.conftest import StartRig
from tests.support.events import events
from tests.support.rig import Rig
from tests.support.waiting import eventually

BAD = -9
REFUSE_BAD = {"kind": "refuse", "field": "value", "equals": BAD, "message": "is too bad"}


def partly_bad(count: int, bad: set[int]) -> list[dict[str, object]]:
    """So many events, those with these numbers bad."""
    return [event | ({"value": BAD} if number in bad else {}) for number, event in enumerate(events(count))]


# Isolation


@pytest.mark.parametrize("name_index", [True, False])
def test_one_bad_event_among_500_costs_few_requests_and_none_of_its_neighbours(rig: Rig, name_index: bool) -> None:  # noqa: FBT001 - a parameter of the test
    rig.sandbox.set_faults({**REFUSE_BAD, "name_index": name_index})
    rig.client().send_many(partly_bad(500, {311}))
    rig.start_worker()
    books = rig.settled()
    assert (books["delivered"], books.dead) == (499, 1)
    assert books["requests"] <= (3 if name_index else 21)
    (letter,) = rig.dead()
    assert (json.loads(letter.body)["trace_id"], letter.reason, letter.status) == ("t311", "rejected", 400)
    assert "is too bad" in letter.error
    assert rig.sandbox.counts()["duplicates"] == 0
    rig.assert_books_close()


def test_500_bad_events_cost_60_requests_and_say_which_of_them_were_refused_alone(rig: Rig) -> None:
    rig.sandbox.set_faults({**REFUSE_BAD, "name_index": False})
    rig.client().send_many(partly_bad(500, set(range(500))))
    rig.start_worker()
    books = rig.settled()
    assert (books["delivered"], books.dead) == (0, 500)
    assert books["requests"] <= 60
    reasons = Counter(letter.reason for letter in rig.dead())
    assert set(reasons) == {"rejected", "unproven"}
    assert books["dead_lettered:unproven"] == reasons["unproven"]
    rig.assert_books_close()


def test_while_a_batch_is_taken_apart_fresh_ones_flow(rig: Rig) -> None:
    rig.sandbox.set_faults({**REFUSE_BAD, "name_index": False}, {"kind": "latency", "ms": 30})
    rig.client().send_many(partly_bad(500, set(range(0, 500, 2))))
    rig.start_worker()
    assert eventually(lambda: rig.books()["requests:400"] or len(rig.sandbox.requests()) > 5)
    rig.client().send_many(events(3_000, prefix="fresh"))
    assert eventually(lambda: rig.books()["delivered"] >= 3_000)
    assert rig.books()["pending"] > 0, "the batch with the bad events is still being worked through"
    books = rig.settled(60)
    assert (books["delivered"], books.dead) == (3_250, 250)
    rig.assert_books_close()


def test_a_200_that_says_failure_and_missing_ids_are_counted_and_shown(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "failure", "count": 1}, {"kind": "short_ids", "count": 1})
    rig.client().send_many(events(100))
    rig.start_worker()
    books = rig.settled()
    assert (books["delivered"], books.dead) == (100, 0)
    assert books["failure_bodies"] == 1
    assert books["ids_mismatch"] == 1
    assert rig.logged("ids_mismatch")


# Size


def test_what_fits_is_learned_once_and_remembered_for_every_worker(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "max_events", "limit": 100})
    rig.start_worker()
    rig.client().send_many(events(5_000))
    rig.settled()
    flow = read_flow(rig.redis, rig.keys)
    assert 0 < flow.size.events <= 100
    refused = rig.sandbox.statuses()[413]
    assert refused >= 3
    rig.workers[0].send_signal(signal.SIGTERM)
    assert rig.workers[0].wait(15) == 0
    rig.start_worker()
    rig.client().send_many(events(5_000, prefix="later"))
    books = rig.settled()
    assert (books["delivered"], books.dead) == (10_000, 0)
    assert rig.sandbox.statuses()[413] == refused, "the other worker knew"
    rig.assert_books_close()


def test_an_event_that_alone_is_too_large_is_a_dead_letter(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "max_bytes", "limit": 5_000})
    rig.client().send_many([*events(50), {"trace_id": "large", "value": 1, "text": "x" * 6_000}])
    rig.start_worker()
    books = rig.settled()
    assert (books["delivered"], books.dead, books["dead_lettered:too_large"]) == (50, 1, 1)
    rig.assert_books_close()


# Limits


def test_no_more_requests_are_in_flight_than_the_destination_allows_however_many_drains(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_CONCURRENCY="4", FORWARDER_BATCH_MAX_EVENTS="20")
    rig.sandbox.set_faults({"kind": "capacity", "limit": 4}, {"kind": "latency", "ms": 30})
    rig.start_worker()
    rig.start_worker()
    rig.client().send_many(events(20_000))
    assert eventually(lambda: rig.books().drains == 2)
    books = rig.settled(90)
    assert (books["delivered"], books["requests:429"], books.dead) == (20_000, 0, 0)


def test_a_rate_limit_holds_for_the_fleet(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_RATE_REQUESTS_PER_S="20", FORWARDER_BATCH_MAX_EVENTS="10")
    rig.start_worker()
    rig.start_worker()
    rig.client().send_many(events(1_000))
    rig.settled(60)
    times = sorted(request["at"] for request in rig.sandbox.requests(1_000))
    assert len(times) == 100
    assert times[-1] - times[0] >= 99 / 20 - 0.2, "no faster than the limit"


# Attempts, age, and who takes over


def test_a_batch_that_waits_for_its_next_try_keeps_no_fresh_one_back(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_RETRY_BASE_MS="600000", FORWARDER_RETRY_MAX_MS="600000", FORWARDER_CONCURRENCY="1")
    rig.sandbox.set_faults({"kind": "status", "status": 500, "count": 4})
    rig.start_worker()
    for number in range(4):
        rig.client().send_many(events(500, prefix=f"unlucky{number}-"))
    assert eventually(lambda: rig.sandbox.faults()[0]["over"])
    rig.client().send_many(events(5_000, prefix="fresh"))
    assert eventually(lambda: rig.books()["delivered"] >= 5_000)
    assert rig.books()["pending"] > 0
    rig.workers[0].send_signal(signal.SIGTERM)
    assert rig.workers[0].wait(15) == 0
    rig.start_worker()
    assert rig.settled()["delivered"] == 7_000
    assert rig.sandbox.counts()["duplicates"] <= rig.books()["ambiguous"]
    rig.assert_books_close()


def test_attempts_count_across_drains_that_end_in_order(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_RETRY_MAX_ATTEMPTS="3", FORWARDER_RETRY_BASE_MS="600000", FORWARDER_RETRY_MAX_MS="600000")
    rig.sandbox.set_faults({"kind": "status", "status": 500})
    rig.client().send_many(events(5))
    for attempt in range(1, 4):
        worker = rig.start_worker()
        assert eventually(lambda attempt=attempt: rig.sandbox.faults()[0]["applied"] == attempt)  # type: ignore[misc]
        if attempt < 3:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(15) == 0
    rig.settled()
    assert {(letter.reason, letter.attempts) for letter in rig.dead()} == {("exhausted", 3)}
    assert len(rig.sandbox.requests()) == 3
    assert len({request["idempotency_key"] for request in rig.sandbox.requests()}) == 1
    rig.assert_books_close()


def test_a_killed_drains_batch_is_sent_again_with_the_same_members_and_the_same_key(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BATCH_LINGER_MS="300", FORWARDER_CONCURRENCY="4")
    rig.sandbox.set_faults({"kind": "hang", "when": "after", "count": 2})
    rig.start_worker()
    for number in range(3):
        rig.client().send_many(events(7, prefix=f"first{number}-"))
    assert eventually(lambda: rig.sandbox.faults()[0]["applied"] == 1)
    for number in range(3):
        rig.client().send_many(events(11, prefix=f"second{number}-"))
    assert eventually(lambda: rig.sandbox.faults()[0]["applied"] == 2)
    (horse,) = rig.horses()
    rig.kill(horse)
    books = rig.settled()
    assert books["delivered"] == 54
    keys = Counter(request["idempotency_key"] for request in rig.sandbox.requests())
    assert set(keys.values()) == {2}, keys
    assert rig.sandbox.counts()["duplicates"] == 54 <= books["ambiguous"]
    rig.assert_books_close()


def test_an_entry_that_kills_drains_is_quarantined_and_its_neighbours_are_delivered(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_POISON_AFTER="5", FORWARDER_LEASE_TTL_S="1")
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    for number in range(10):
        rig.client().send_many(events(3, prefix=f"good{number}-"))
    killer = rig.redis.xadd(rig.keys.events, {"body": json.dumps(events(2, prefix="killer"))})
    run(rig.redis, ensure_group(rig.keys))
    rig.start_worker()
    kills = 0
    while eventually(lambda: is_held(rig, killer) or not waits(rig, killer)) and waits(rig, killer):
        kills += 1
        for horse in rig.horses():  # as if the entry killed it
            rig.kill(horse)
        assert eventually(lambda: not is_held(rig, killer)), "the lease of the dead runs out"
    books = rig.settled(60)
    assert kills == 5
    letters = {json.loads(letter.body)["trace_id"]: letter.reason for letter in rig.dead()}
    assert letters == {"killer0": "poison", "killer1": "poison"}
    assert books["delivered"] == 30
    rig.assert_books_close()


def waits(rig: Rig, entry: Any) -> bool:  # noqa: ANN401 - redis-py's id
    """Whether an entry is still on the stream."""
    return bool(rig.redis.xrange(rig.keys.events, entry, entry))


def is_held(rig: Rig, entry: Any) -> bool:  # noqa: ANN401 - redis-py's id
    """Whether a living drain has an entry."""
    pending = rig.redis.xpending_range(rig.keys.events, "forwarder", entry, entry, 1)
    return bool(pending) and pending[0]["consumer"] in rig.redis.mget(rig.keys.leases)


def test_destinations_fail_independently(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="eu-key")
    rig.sandbox.set_keys(["sandbox"])
    rig.start_worker()
    rig.start_worker()
    rig.client(destination="eu").send_many(events(10))
    assert eventually(lambda: get_pause(rig.redis, Keys("eu")))
    rig.client().send_many(events(1_000))
    assert eventually(lambda: rig.books()["delivered"] == 1_000)
    assert rig.books("eu")["pending"] == 10


def test_a_linger_longer_than_a_sessions_quiet_time_ends_in_a_request(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BATCH_LINGER_MS="1500", FORWARDER_DRAIN_IDLE_S="0.5")
    rig.start_worker()
    rig.client().send_many(events(3))
    assert rig.settled(15)["delivered"] == 3
