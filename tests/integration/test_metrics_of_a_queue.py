"""What /metrics says of a real queue."""

from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families

from forwarder.queue.pause import set_pause
from forwarder.queue.scripts import run
from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.rig import Rig
from tests.support.waiting import eventually


def samples(ingest: Ingest) -> dict[tuple[str, ...], float]:
    text = ingest.http.get("/metrics").text
    return {
        (sample.name.removeprefix("forwarder_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_waits_is_told(rig: Rig) -> None:
    with Ingest(rig) as ingest:
        ingest.post([{"trace_id": f"t{number}", "value": 1} for number in range(200)])
        run(rig.redis, set_pause(rig.keys, "for the test", None))
        told = samples(ingest)
    assert told["pending", "default"] == 200
    assert told["entries", "default"] == 1
    assert told["held_entries", "default"] == told["in_flight_batches", "default"] == 0
    assert told["backlog_bytes", "default"] > 200 * len('{"trace_id":"t1","value":1}')
    assert told["paused", "default", "hand"] == 1
    assert told["workers",] == 0


def test_what_the_ingest_refuses_is_counted_where_it_was_to_go(start_rig: StartRig) -> None:
    keys = {"FORWARDER_INGEST_KEYS__EU__KEY": "eu-key-12", "FORWARDER_INGEST_KEYS__EU__DESTINATION": "eu"}
    rig = start_rig(FORWARDER_DESTINATIONS__EU__API_KEY="k", **keys)
    with Ingest(rig) as ingest:
        statuses = [ingest.post({"trace_id": "t", "value": 11}, x_portkey_api_key="eu-key-12").status_code]
        statuses += [
            ingest.post({"trace_id": "t", "value": 1}, x_portkey_api_key="wrong").status_code for _ in range(3)
        ]
        assert statuses == [422, 401, 401, 401]
        assert eventually(lambda: samples(ingest)["ingest_refused_total", "default", "401"] == 3)
        assert samples(ingest)["ingest_refused_total", "eu", "422"] == 1
        rig.kill_server()
        ingest.post({"trace_id": "t", "value": 11}, x_portkey_api_key="eu-key-12")
        rig.server.start()
        assert eventually(lambda: samples(ingest).get(("ingest_refused_total", "eu", "422")) == 2), "kept meanwhile"


def test_what_is_under_way_and_who_works_is_told(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_REQUEST_TIMEOUT_S="1")
    rig.sandbox.add_fault({"kind": "hang"})
    with rig.client() as client:
        client.thumbs_up("t1")
    rig.start_worker()
    rig.in_mid_delivery()
    with Ingest(rig) as ingest:
        told = samples(ingest)
        assert told["held_entries", "default"] == told["in_flight_batches", "default"] == 1
        assert told["workers",] == 1
        assert told["drains", "default"] == 1
        rig.sandbox.clear_faults()
        assert eventually(lambda: samples(ingest)["delivered_total", "default"] == 1, 60)
        told = samples(ingest)
    assert told["in_flight_batches", "default"] == 0
    assert told["deliver_seconds_count", "default"] == 1
    assert told["batch_events_sum", "default"] == 1
    assert told["concurrency_limit", "default"] >= 1
    assert told["books_closed", "default"] == 1


def test_the_lag_by_which_workers_are_scaled_is_what_no_drain_has_read(rig: Rig) -> None:
    rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"t","value":1}'})
    with rig.client() as client:
        client.send_many({"trace_id": f"t{number}", "value": 1} for number in range(1_200))
    assert rig.start_worker("--burst").wait(60) == 0
    with rig.client() as client:
        for number in range(7):
            client.thumbs_up(f"u{number}")
    (group,) = cast("Any", rig.redis.xinfo_groups(rig.keys.events))
    assert (group["name"], group["lag"]) == (b"forwarder", 7), "also after all before it were deleted"


def test_twenty_destinations_cost_a_bounded_number_of_commands(start_rig: StartRig) -> None:
    names = [f"d{number}" for number in range(19)]
    rig = start_rig(**{f"FORWARDER_DESTINATIONS__{name.upper()}__API_KEY": "k" for name in names})
    with Ingest(rig) as ingest:
        samples(ingest)  # the scripts are known from now on
        before = rig.redis.info("commandstats")
        told = samples(ingest)
        after = rig.redis.info("commandstats")
    assert {labels[1] for labels in told if labels[0] == "pending"} == {"default", *names}
    calls = sum(
        after[name]["calls"] - before.get(name, {"calls": 0})["calls"]
        for name in ("cmdstat_evalsha", "cmdstat_get", "cmdstat_hgetall")
    )
    assert calls <= 20 * 5
