"""The sandbox for tests: a real process, asked over HTTP what arrived."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

ROOT = Path(__file__).resolve().parents[2]
STOP_WITHIN_S = 10


class Sandbox:
    """`python -m forwarder.sandbox` on a free port, with its files in a folder of the test.

    Args:
        folder: for its database and its log; what a former sandbox left there is still known.
        arguments: of the command line, as `--max-events 3`.
        port: 0 takes a free one.
    """

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        self.folder = folder
        self.log = folder / "sandbox.log"
        self._arguments = arguments
        self.url = ""
        self._start(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def root(self) -> str:
        """The address without the API's path."""
        return self.url.removesuffix("/v1")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for a plain socket."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    def counts(self, *, distinct: bool = True) -> dict[str, int]:
        """Requests, batches, events; distinct trace ids and duplicates."""
        return dict(self.ask("GET", "/sandbox/counts", params={"distinct": "true" if distinct else "false"}))

    def times_arrived(self, prefix: str = "") -> dict[str, int]:
        """Trace id to how often it arrived."""
        return dict(self.ask("GET", "/sandbox/times-arrived", params={"prefix": prefix}))

    def arrivals(self, **query: str | int) -> list[dict[str, Any]]:
        """What arrived, by trace id: `trace_id`, `prefix`, `after`, `limit`."""
        return list(self.ask("GET", "/sandbox/arrivals", params=query)["traces"])

    def requests(self, limit: int = 100) -> list[dict[str, Any]]:
        """The latest requests, the latest first."""
        return list(self.ask("GET", "/sandbox/requests", params={"limit": limit})["requests"])

    def statuses(self) -> Counter[int]:
        """How often each status was answered, of the latest 10,000 requests."""
        return Counter(request["status"] for request in self.requests(10_000))

    def empty(self) -> None:
        """Forget what arrived."""
        self.ask("DELETE", "/sandbox/arrivals")

    def set_faults(self, *faults: dict[str, Any], seed: int | None = None) -> None:
        """Put these faults in force, and no others."""
        self.ask("PUT", "/sandbox/faults", params={} if seed is None else {"seed": seed}, json=list(faults))

    def add_fault(self, fault: dict[str, Any]) -> None:
        """Put one more in force."""
        self.ask("POST", "/sandbox/faults", json=fault)

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, how often each `applied`, whether it is `over`."""
        return list(self.ask("GET", "/sandbox/faults")["faults"])

    def clear_faults(self) -> None:
        """No faults any more."""
        self.ask("DELETE", "/sandbox/faults")

    def set_keys(self, keys: Iterable[str]) -> None:
        """Accept these API keys, and no others."""
        self.ask("PUT", "/sandbox/keys", json={"keys": list(keys)})

    def ask(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - httpx's options, any JSON
        """A request under /sandbox/ that must succeed."""
        response = self.http.request(method, path, **options)
        assert response.is_success, response.text
        return response.json()

    def stop(self) -> int:
        """Ask it to stop (SIGTERM); its exit status."""
        self.process.terminate()
        return self._gone()

    def kill(self) -> int:
        """Kill it (SIGKILL)."""
        self.process.kill()
        return self._gone()

    def restart(self) -> None:
        """Start it again on the same files and port, once it has stopped."""
        self._start(self.address[1])

    def _start(self, port: int) -> None:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("FORWARDER_")}
        variables |= {"FORWARDER_SANDBOX_PORT": str(port), "FORWARDER_DATA_DIR": str(self.folder)}
        variables["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-m", "forwarder.sandbox", "--announce", "--stop-with-parent", *self._arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=variables, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self._reap()
            raise RuntimeError(f"the sandbox did not start: {self.log.read_text()}")
        self.url = json.loads(line)["url"]
        self.http = httpx.Client(base_url=self.root, trust_env=False, timeout=60)

    def _gone(self) -> int:
        self.http.close()
        return self._reap()

    def _reap(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        try:
            return self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
