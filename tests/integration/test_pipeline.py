"""From a producer to the upstream: real Valkey, real RQ workers, real HTTP."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.queue.pause import get_pause
from tests.integration.conftest import StartRig
from tests.support.events import events
from tests.support.replays import begun, moved
from tests.support.rig import Rig
from tests.support.waiting import eventually

RAW = '{"trace_id":"raw","value":-1}'


def test_an_event_travels_from_the_client_to_the_upstream_as_it_was_given(rig: Rig) -> None:
    rig.start_worker()
    with rig.client(source="shop") as client:
        client.send(trace_id="t1", value=5, weight=0.5, text="très bien", metadata={"_user": "u1", "deep": [1, None]})
        client.thumbs_down("t2")
    rig.settled()
    arrived = {trace["trace_id"]: trace["arrivals"][0]["event"] for trace in rig.sandbox.arrivals()}
    assert arrived["t1"] == {
        "trace_id": "t1",
        "value": 5,
        "weight": 0.5,
        "text": "très bien",
        "metadata": {"_user": "u1", "deep": [1, None]},
    }
    assert arrived["t2"] == {"trace_id": "t2", "value": -1}
    rig.assert_books_close()


def test_a_plain_xadd_alone_wakes_a_drain(rig: Rig) -> None:
    rig.start_worker()
    rig.redis.xadd(rig.keys.events, {"body": RAW})
    assert eventually(lambda: rig.sandbox.times_arrived() == {"raw": 1}, within_s=10)
    rig.settled()
    assert rig.books()["accepted"] == 1
    rig.assert_books_close()


def test_entries_that_wait_before_any_worker_starts_are_delivered(rig: Rig) -> None:
    rig.client().send_many(events(1_200))
    rig.start_worker()
    assert rig.settled()["delivered"] == 1_200
    assert rig.sandbox.counts()["duplicates"] == 0


def test_events_are_coalesced_into_full_batches(rig: Rig) -> None:
    client = rig.client()
    for event in events(1_000):
        client.send_many([event])
    rig.start_worker()
    rig.settled()
    counts = rig.sandbox.counts()
    assert counts["events"] == 1_000
    assert counts["requests"] <= 4


def test_garbage_becomes_dead_letters_and_stops_nothing(rig: Rig) -> None:
    garbage = {
        "no body": {"bod": "y"},
        "not JSON": {"body": "nonsense"},
        "no event": {"body": "[]"},
        "wrong type": {"body": '{"trace_id":"t","value":"5"}'},
        "not text": {"body": b"\xff\xfe\x00"},
        "half good": {"body": '[{"trace_id":"good","value":1},{"trace_id":"bad","value":11}]'},
        "surrogate": {"body": '[{"trace_id":"good","value":2},{"trace_id":"\\ud800","value":1}]'},
    }
    for fields in garbage.values():
        rig.redis.xadd(rig.keys.events, fields)  # type: ignore[arg-type]
    rig.redis.xadd(rig.keys.events, {"body": RAW})
    rig.start_worker()
    rig.settled()
    assert rig.sandbox.times_arrived() == {"good": 2, "raw": 1}
    letters = rig.dead()
    assert [letter.reason for letter in letters] == ["invalid"] * len(garbage)
    assert {letter.body for letter in letters} >= {
        b"nonsense",
        b"[]",
        b"\xff\xfe\x00",
        b'{"trace_id":"bad","value":11}',
    }
    rig.assert_books_close()


def test_one_entry_of_200_000_events_is_cut_and_delivered(rig: Rig) -> None:
    body = b"[" + b",".join(b'{"trace_id":"big%d","value":1}' % number for number in range(200_000)) + b"]"
    rig.redis.xadd(rig.keys.events, {"body": body})
    rig.start_worker()
    assert rig.settled(60)["delivered"] == 200_000
    assert rig.sandbox.counts()["distinct_trace_ids"] == 200_000
    rig.assert_books_close()


def test_refused_events_stand_alone_and_can_be_mended_and_replayed(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "refuse", "field": "value", "equals": -9, "message": "is too bad"})
    bad = {"t10", "t500", "t999"}
    rig.client(source="shop").send_many(e | {"value": -9} if e["trace_id"] in bad else e for e in events(1_000))
    rig.start_worker()
    rig.settled()
    assert rig.sandbox.counts()["events"] == 997
    letters = rig.dead()
    assert {json.loads(letter.body)["trace_id"] for letter in letters} == bad
    assert {(letter.reason, letter.status, letter.source) for letter in letters} == {("rejected", 400, b"shop")}
    assert all("is too bad" in letter.error for letter in letters)

    mended = [replace(letter, body=letter.body.replace(b"-9", b"5")) for letter in letters]
    assert moved(rig.redis, begun(rig.redis), mended) == (3, 0)
    rig.settled()
    assert rig.sandbox.counts()["distinct_trace_ids"] == 1_000
    assert rig.books().dead == 0
    rig.assert_books_close()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "retry_after": 0.05},
        {"kind": "status", "status": 429},
        {"kind": "reset", "when": "before"},
        {"kind": "garbage", "when": "before"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}".strip(),
)
def test_what_passes_is_retried_until_it_has_passed(rig: Rig, fault: dict[str, object]) -> None:
    rig.sandbox.set_faults({**fault, "count": 3})
    rig.client().send_many(events(700))
    rig.start_worker()
    rig.settled()
    assert rig.sandbox.counts()["distinct_trace_ids"] == 700
    assert rig.books()["retries"] == 3
    assert rig.books().dead == 0
    rig.assert_books_close()


def test_a_lost_answer_is_counted_as_ambiguous(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "reset", "when": "after", "count": 1})
    rig.client().send_many(events(100))
    rig.start_worker()
    rig.settled()
    duplicates = rig.sandbox.counts()["duplicates"]
    assert duplicates == 100
    assert duplicates <= rig.books()["ambiguous"]
    first, second = rig.sandbox.requests()[-2:]
    assert first["idempotency_key"] == second["idempotency_key"]


def test_events_whose_tries_are_spent_are_dead_letters(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_RETRY_MAX_ATTEMPTS="3")
    rig.sandbox.set_faults({"kind": "status", "status": 502})
    rig.client().send_many(events(5))
    rig.start_worker()
    rig.settled()
    letters = rig.dead()
    assert {(letter.reason, letter.status, letter.attempts) for letter in letters} == {("exhausted", 502, 3)}
    assert len(letters) == 5
    rig.assert_books_close()


def test_a_refused_key_pauses_the_destination_and_costs_no_event(rig: Rig) -> None:
    rig.sandbox.set_keys(["another"])
    rig.client().send_many(events(2_000))
    rig.start_worker()
    pause = eventually(lambda: get_pause(rig.redis, rig.keys))
    assert pause
    assert "FORWARDER_API_KEY" in pause.reason
    rig.sandbox.set_keys(["sandbox"])
    assert rig.settled()["delivered"] == 2_000
    assert (rig.books().dead, rig.sandbox.counts()["duplicates"]) == (0, 0)
    rig.assert_books_close()


def test_the_key_is_nowhere_but_in_the_request(start_rig: StartRig) -> None:
    secret = "sk-planted-secret"
    rig = start_rig(FORWARDER_API_KEY=secret)
    rig.sandbox.set_faults({"kind": "status", "status": 400, "body": f"the key {secret} may not do that"})
    rig.client().send_many(events(1))
    rig.start_worker()
    rig.settled()
    (letter,) = rig.dead()
    assert "the key *** may not do that" in letter.error
    assert secret not in rig.log.read_text()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_payload_and_no_key_is_logged(start_rig: StartRig, log_format: str) -> None:
    rig = start_rig(FORWARDER_LOG_FORMAT=log_format, FORWARDER_API_KEY="sk-planted-secret")
    rig.sandbox.set_keys(["sk-planted-secret"])
    echo = "cannot take private words with sk-planted-secret"
    rig.sandbox.set_faults({"kind": "status", "status": 503, "body": echo, "count": 2})
    rig.client().send(trace_id="private-trace", value=1, text="private words")
    rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"private-trace","text":"private words"}'})
    rig.start_worker()
    rig.settled()
    logged = rig.log.read_text()
    assert "settled" in logged
    assert "private" not in logged
    assert "planted" not in logged


def test_destinations_have_streams_keys_and_limits_of_their_own(start_rig: StartRig) -> None:
    rig = start_rig(
        FORWARDER_DESTINATIONS__EU__API_KEY="eu-key",
        FORWARDER_DESTINATIONS__EU__AUTH_SCHEME="bearer",
        FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS="10",
    )
    rig.sandbox.set_keys(["sandbox", "eu-key"])
    rig.start_worker()
    rig.client(destination="eu").send_many(events(30, "eu"))
    rig.client().send_many(events(30, "main"))
    assert eventually(lambda: rig.books("eu")["delivered"] == 30 and rig.books()["delivered"] == 30)
    assert sorted(request["events"] for request in rig.sandbox.requests()) == [10, 10, 10, 30]


def test_idle_workers_open_further_drains_when_the_backlog_grows_old(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_CONCURRENCY="2")
    rig.sandbox.set_faults({"kind": "latency", "ms": 100})
    rig.start_worker()
    rig.start_worker()
    rig.client().send_many(events(60_000))
    assert eventually(lambda: rig.books().drains == 2), rig.log.read_text()[-2000:]
    assert rig.settled(60)["delivered"] == 60_000
    assert rig.sandbox.counts()["duplicates"] == 0
    rig.assert_books_close()


def test_single_entries_by_the_hundred_and_packed_ones_arrive_once_and_the_books_close(
    start_rig: StartRig,
) -> None:
    packing = start_rig(FORWARDER_QUEUE_COMPRESSION="zstd")
    packing.client().send_many(events(600, "packed"))
    first: Any = packing.redis.xrange(packing.keys.events, count=1)
    ((_, fields),) = first
    assert fields[b"body"].startswith(b"\0zstd\0")
    with packing.redis.pipeline() as pipeline:
        for number in range(3_000):
            body = json.dumps({"trace_id": f"single{number}", "value": 99 if number == 1_700 else 1})
            pipeline.xadd(packing.keys.events, {"body": body})
        pipeline.execute()
    packing.variables["FORWARDER_QUEUE_COMPRESSION"] = "none"
    packing.start_worker()
    books = packing.settled()
    assert (books["delivered"], books.dead) == (3_599, 1)
    assert packing.sandbox.counts() | {"distinct_trace_ids": 3_599, "duplicates": 0} == packing.sandbox.counts()
    assert packing.dead()[0].reason == "invalid"
    packing.assert_books_close()
