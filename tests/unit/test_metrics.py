"""What /metrics says of given books."""

import re
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from forwarder.ingest.metrics import Scene, exposition
from forwarder.queue.dead_letters import REASONS
from forwarder.queue.flow import Flow, Limit
from forwarder.queue.ledger import Snapshot
from forwarder.queue.pause import Pause
from forwarder.queue.standing import Extent, Standing

COUNTERS = {
    "accepted": 7,
    "dead_lettered": 3,
    "dead_lettered:rejected": 2,
    "dead_lettered:invalid": 1,
    "delivered": 2,
    "dropped:exit": 5,
    "pending": 2,
    "requests": 9,
    "requests:200": 8,
    "requests:none": 1,
    "request_ms:le:5": 6,
    "request_ms:le:inf": 3,
    "request_ms:sum": 90_000,
}
STANDINGS = {
    "default": Standing(
        Snapshot(COUNTERS, entries=1, entries_added=1, oldest_ms=1_000, dead=3),
        Pause("401: wrong key", 0, 9_000, "settings"),
        Flow(limit=Limit(value=16)),
        Extent(bytes=4_096, held=1, sending=2),
    ),
    "eu": Standing(),
}


def exposed(standings: dict[str, Standing] | None, workers: int | None = 2) -> str:
    return exposition(Scene(standings, 1_000, workers, "0.1.0", now_ms=3_500)).decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (("forwarder_accepted_total", "default"), 7),
        (("forwarder_accepted_total", "eu"), 0),
        (("forwarder_dead_lettered_total", "default", "rejected"), 2),
        (("forwarder_dead_lettered_total", "default", "poison"), 0),
        (("forwarder_dropped_total", "default", "exit"), 5),
        (("forwarder_requests_total", "default", "none"), 1),
        (("forwarder_request_seconds_bucket", "default", "0.005"), 6),
        (("forwarder_request_seconds_bucket", "default", "60"), 6),
        (("forwarder_request_seconds_count", "default"), 9),
        (("forwarder_request_seconds_sum", "default"), 90),
        (("forwarder_paused", "default", "settings"), 1),
        (("forwarder_paused", "default", "hand"), 0),
        (("forwarder_paused", "eu", "settings"), 0),
        (("forwarder_backlog_age_seconds", "default"), 2.5),
        (("forwarder_backlog_age_seconds", "eu"), 0),
        (("forwarder_backlog_bytes", "default"), 4_096),
        (("forwarder_held_entries", "default"), 1),
        (("forwarder_in_flight_batches", "default"), 2),
        (("forwarder_concurrency_limit", "default"), 16),
        (("forwarder_books_closed", "default"), 1),
        (("forwarder_workers",), 2),
        (("forwarder_queue_up",), 1),
        (("forwarder_backlog_limit_events",), 1_000),
        (("forwarder_build_info", "0.1.0"), 1),
    ],
)
def test_the_books_are_told_by_destination_and_label(sample: tuple[str, ...], value: float) -> None:
    assert samples(exposed(STANDINGS))[sample] == value


def test_every_reason_has_its_series_before_it_happens() -> None:
    told = samples(exposed({"new": Standing()}))
    assert {reason for name, *labels in told if name == "forwarder_dead_lettered_total" for reason in labels[1:]} == {
        *REASONS
    }


def test_while_the_queue_is_away_nothing_is_said_of_it() -> None:
    told = samples(exposed(None, None))
    assert set(told) == {
        ("forwarder_queue_up",),
        ("forwarder_build_info", "0.1.0"),
        ("forwarder_backlog_limit_events",),
    }
    assert told["forwarder_queue_up",] == 0


def test_every_metric_says_what_it_is() -> None:
    text = exposed(STANDINGS)
    families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(families) == len({name for name, _ in families}) > 25
    for name, kind in families:
        assert re.search(rf"^# HELP {name} \w.+\.$", text, re.MULTILINE), name
        assert (kind == "counter") == name.endswith("_total")


def test_prometheus_own_linter_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    told = exposed(STANDINGS)
    done = subprocess.run([promtool, "check", "metrics"], input=told, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
