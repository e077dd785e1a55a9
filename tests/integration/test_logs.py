"""What a worker really logs, against the list."""

import json

from tests.support.log_events import listed_events, listed_fields
from tests.support.rig import Rig


def test_what_a_worker_logs_is_what_the_list_says(rig: Rig) -> None:
    rig.sandbox.set_faults(
        {"kind": "refuse", "field": "value", "equals": -9}, {"kind": "status", "status": 503, "count": 1}
    )
    with rig.client() as client:
        client.send_many({"trace_id": f"t{number}", "value": -9 if number == 7 else 1} for number in range(20))
    rig.redis.xadd(rig.keys.events, {"body": "no event"})
    worker = rig.start_worker("--burst")
    assert worker.wait(60) == 0, rig.log.read_text()
    lines = [json.loads(line) for line in rig.log.read_text().splitlines()]
    ours = [line for line in lines if " " not in line["event"]]
    assert {"worker_started", "drain_began", "retry", "refused", "recut", "drain_ended"} <= {
        line["event"] for line in ours
    }
    for line in ours:
        event = listed_events()[line["event"]]
        assert set(line) <= set(listed_fields()), line
        assert event.fields - {"next", "until_ms"} <= set(line), line
