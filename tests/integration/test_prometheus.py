"""Debian's Prometheus scrapes `forwarder up`: the rules load, and the dashboard has data after a load."""

import math
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import StartRig
from tests.support.prometheus import SHIPPED, Prometheus, dashboard_queries, tool
from tests.support.rig import Rig
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    "arguments", [("test", "rules", "rules_test.yml"), ("check", "config", "prometheus.yml")], ids=" ".join
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    command = [tool("promtool"), *arguments]
    done = subprocess.run(command, cwd=SHIPPED, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_has_data_and_no_alert_fires_after_a_load(start_rig: StartRig, tmp_path: Path) -> None:
    tool("prometheus")
    rig = start_rig()
    rig.variables["FORWARDER_REDIS_URL"] = rig.url
    rig.workers.append(rig.start(sys.executable, "-m", "forwarder.cli", "up"))
    with Prometheus(tmp_path, ingest_of(rig)) as prometheus:
        assert eventually(lambda: prometheus.values("forwarder_queue_up") == [1.0])
        with rig.client() as client:
            client.send_many({"trace_id": f"t{number}", "value": 1} for number in range(2_000))
        assert eventually(lambda: prometheus.values("forwarder_delivered_total") == [2_000.0], 60), rig.log.read_text()
        eventually(lambda: not without_data(prometheus))
        assert without_data(prometheus) == []
        rules = eventually(lambda: evaluated(prometheus))
        assert len(rules) == (SHIPPED / "rules.yml").read_text().count("expr:")
        assert [alert for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"] == []


def ingest_of(rig: Rig) -> str:
    """Host and port of the ingest, once it runs."""
    found = eventually(lambda: re.search(r"ingest +(http\S+)", rig.log.read_text()), 60)
    assert found, rig.log.read_text()
    return urlsplit(found[1]).netloc


def without_data(prometheus: Prometheus) -> list[str]:
    """The dashboard's queries that draw nothing."""
    return [query for query in dashboard_queries() if not any(map(math.isfinite, prometheus.values(query)))]


def evaluated(prometheus: Prometheus) -> list[str]:
    """The names of the rules once each has been evaluated well; empty before."""
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    return [rule["name"] for rule in rules] if all(rule["health"] == "ok" for rule in rules) else []
