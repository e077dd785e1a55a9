"""The HTTP ingest with a spill: the disk takes what the queue does not, and hands it over later."""

from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.programs import queued
from tests.support.waiting import eventually

SPILLS = {"FORWARDER_INGEST_SPILL": "on", "FORWARDER_REDIS_TIMEOUT_S": "0.5"}


def test_with_the_spill_on_callers_do_not_notice_that_redis_was_away(start_rig: StartRig) -> None:
    rig = start_rig(**SPILLS)
    with Ingest(rig) as ingest:
        rig.kill_server()
        answers = [ingest.post({"trace_id": f"t{number}", "value": 1}) for number in range(20)]
        assert {answer.status_code for answer in answers} == {202}
        assert rig.said("appends_refused") >= 1
        rig.server.start()
        assert eventually(lambda: len(queued(rig)) == 20)
    assert sorted(queued(rig)) == sorted(f"t{number}" for number in range(20))
    assert rig.books()["accepted"] == 20


def test_what_one_process_has_spilled_the_next_one_sends(start_rig: StartRig) -> None:
    rig = start_rig(**SPILLS)
    with Ingest(rig) as ingest:
        rig.kill_server()
        assert ingest.post([{"trace_id": f"t{number}", "value": 1} for number in range(700)]).status_code == 202
        ingest.stop()
    rig.server.start()
    with Ingest(rig):
        assert eventually(lambda: len(queued(rig)) == 700)


def test_with_the_spill_on_a_full_queue_is_no_trouble_for_callers(start_rig: StartRig) -> None:
    rig = start_rig(**SPILLS, FORWARDER_BACKLOG_MAX_EVENTS="10")
    with Ingest(rig) as ingest:
        for number in range(3):
            events = [{"trace_id": f"t{number}-{place}", "value": 1} for place in range(10)]
            assert ingest.post(events).status_code == 202
        assert rig.books()["accepted"] == 10
        rig.start_worker()
        assert eventually(lambda: rig.books()["delivered"] == 30)
        rig.assert_everything_arrived(30)


def test_when_the_disk_is_full_too_the_caller_is_told(start_rig: StartRig) -> None:
    rig = start_rig(**SPILLS, FORWARDER_SPILL_PATH="/dev/full/spill.sqlite3")
    with Ingest(rig) as ingest:
        rig.kill_server()
        answer = ingest.post({"trace_id": "t1", "value": 1})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert ingest.post({"trace_id": "t2", "value": 1}).status_code == 503
        assert rig.said('"event": "spill_refused"') == 1, "it is said once"
