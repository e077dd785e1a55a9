"""Debian's Prometheus, on a free port, scraping what a test gives it."""

import json
import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.sandbox import ROOT
from tests.support.tools import of_machine
from tests.support.waiting import eventually

SHIPPED = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "forwarder.json"


def tool(name: str) -> str:
    """A program of Debian's package prometheus; skips where there is none."""
    return of_machine(name, "prometheus")


class Prometheus:
    """It runs with the shipped rules.

    Args:
        folder: for its files.
        target: host and port to scrape, each second.
    """

    def __init__(self, folder: Path, target: str) -> None:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(SHIPPED / "rules.yml")],
            "scrape_configs": [{"job_name": "forwarder", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        command = [tool("prometheus"), "--config.file=prometheus.yml", "--web.listen-address=127.0.0.1:0"]
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*command, "--storage.tsdb.path=data"], cwd=folder, stdout=log, stderr=log)
        found = eventually(lambda: re.search(r'msg="Listening on" address=(\S+)', self._log.read_text()))
        assert found, self._log.read_text()
        self._http = httpx.Client(base_url=f"http://{found[1]}", trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(30)

    def ask(self, path: str, **query: str) -> Any:  # noqa: ANN401 - any JSON
        """The data of an answer of its API."""
        answer = self._http.get(f"/api/v1/{path}", params=query).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, query: str) -> list[float]:
        """The samples of an expression now."""
        return [float(sample["value"][1]) for sample in self.ask("query", query=query)["result"]]


def dashboard_queries() -> list[str]:
    """The expressions of the shipped dashboard, as Grafana sends them for all destinations."""
    board = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [one.replace("$destination", ".*").replace("$__rate_interval", "1m") for one in expressions]
