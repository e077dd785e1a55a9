"""`forwarder up` as a newcomer meets it: one command, real processes, Ctrl-C, kill -9."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forwarder.doctor.finding import Level
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually

STOP_WITHIN_S = 15


class Home:
    """A folder with one `forwarder up` after another, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plain = {name: value for name, value in os.environ.items() if not name.startswith("FORWARDER_")}
        own = {"FORWARDER_DATA_DIR": str(folder), "FORWARDER_SANDBOX_PORT": "0", "FORWARDER_DRAIN_IDLE_S": "1"}
        own["FORWARDER_INGEST_PORT"] = "0"
        self.environment = plain | own | {"PYTHONPATH": str(ROOT), "FORWARDER_LEASE_TTL_S": "2"}
        self.ups: list[subprocess.Popen[str]] = []

    def up(self, **variables: str) -> subprocess.Popen[str]:
        """Start it, and read on until it says how to stop it."""
        command = [sys.executable, "-m", "forwarder.cli", "up"]
        process = subprocess.Popen(
            command, env=self.environment | variables, cwd=self.folder, stdout=subprocess.PIPE, text=True
        )
        self.ups.append(process)
        assert process.stdout is not None
        self.said = ""
        while "Ctrl-C stops everything" not in self.said:
            line = process.stdout.readline()
            assert line, self.said
            self.said += line
        return process

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox listens, as `up` said."""
        match = re.search(r"sandbox at (\S+)", self.said)
        assert match, self.said
        return match[1]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command."""
        command = [sys.executable, "-m", "forwarder.cli", *words]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def status(self) -> dict[str, Any]:
        """Of the default destination."""
        return dict(json.loads(self.run("status", "--json").stdout)["default"])

    def arrived(self) -> int:
        """Distinct trace ids in the sandbox."""
        counts = httpx.get(f"{self.sandbox_url.removesuffix('/v1')}/sandbox/counts", trust_env=False).json()
        return int(counts["distinct_trace_ids"])

    def processes(self) -> list[int]:
        """Every process of this home: it has the folder's name in its environment."""
        mark = f"FORWARDER_DATA_DIR={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes() and int(process.name) != os.getpid():
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def kill_all(self) -> None:
        """Everything gets kill -9."""
        assert eventually(self._killed, within_s=10), self.processes()
        for process in self.ups:
            process.wait()

    def _killed(self) -> bool:
        """Whether nothing is left; a worker may have forked while the others were being killed."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not self.processes()


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        home = Home(Path(folder))
        yield home
        home.kill_all()
        for process in home.ups:
            assert process.stdout is not None
            process.stdout.close()


def test_one_command_delivers_and_ctrl_c_leaves_nothing_behind(home: Home) -> None:
    up = home.up()
    sent = home.run("send", "--trace-id", "t1", "--value", "1", "--text", "good")
    assert sent.returncode == 0, sent.stderr
    assert eventually(lambda: home.status()["delivered"] == 1, within_s=5)
    assert home.arrived() == 1
    assert home.run("audit").returncode == 0
    up.send_signal(signal.SIGINT)
    assert up.wait(STOP_WITHIN_S) == 0
    assert home.processes() == []
    after = home.run("status")
    assert (after.returncode, "forwarder up" in after.stderr) == (1, True)


def test_beside_it_the_doctor_looks_at_its_sandbox(home: Home) -> None:
    up = home.up()
    assert eventually(lambda: home.run("doctor").returncode < Level.FAULT), home.run("doctor").stdout
    assert f"upstream default: {home.sandbox_url}/feedback/ answers, and takes the key" in home.run("doctor").stdout
    up.send_signal(signal.SIGINT)
    assert up.wait(STOP_WITHIN_S) == 0
    assert "api.portkey.ai" in home.run("doctor").stdout


def test_no_tcp_port_of_the_queue_is_open_and_its_files_are_private(home: Home) -> None:
    home.up()
    socket = home.folder / "valkey" / "valkey.sock"
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o077 == 0
    assert (home.folder / "valkey" / "appendonlydir").is_dir()
    shown = subprocess.run(["/bin/cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
    assert ":18EB " not in shown, "6379 is closed"


def test_a_second_up_on_the_same_folder_is_told_so(home: Home) -> None:
    first = home.up()
    second = home.run("up")
    assert second.returncode == 1
    assert f"already runs on {home.folder} (process {first.pid})" in second.stderr
    assert "FORWARDER_DATA_DIR" in second.stderr


def test_after_kill_9_of_everything_the_next_up_goes_on_with_what_was_queued(home: Home) -> None:
    home.up()
    feed = "\n".join(json.dumps({"trace_id": f"k{number}", "value": 1}) for number in range(100_000))
    (home.folder / "feed.jsonl").write_text(feed)
    assert home.run("send", "feed.jsonl").returncode == 0
    home.kill_all()
    assert home.processes() == []
    home.up()
    assert eventually(lambda: home.status()["pending"] == 0, within_s=30)
    assert home.arrived() == 100_000
    assert home.run("audit", "--deep").returncode == 0


def test_when_up_alone_is_killed_its_parts_end_too(home: Home) -> None:
    up = home.up()
    up.kill()
    up.wait()
    assert eventually(lambda: home.processes() == [], within_s=10), home.processes()


def test_a_worker_that_dies_is_started_again(home: Home) -> None:
    home.up()

    def worker() -> list[int]:
        return [pid for pid in home.processes() if b"\0workers\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    (first,) = eventually(worker)
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: bool(worker()) and worker() != [first], within_s=10)
    home.run("send", "--trace-id", "t1", "--value", "1")
    assert eventually(lambda: home.status()["delivered"] == 1)


def test_with_a_key_it_forwards_to_the_real_api_and_says_so(home: Home) -> None:
    home.up(FORWARDER_API_KEY="k", FORWARDER_BASE_URL="http://127.0.0.1:9/v1")
    assert "the real API: FORWARDER_API_KEY is set" in home.said
    assert "http://127.0.0.1:9/v1/feedback/" in home.said
    assert "sandbox" not in home.said


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FORWARDER_SANDBOX_PORT": "1", "FORWARDER_SANDBOX_HOST": "203.0.113.1"}, "FORWARDER_SANDBOX_"),
        ({"FORWARDER_REDIS_URL": "redis://127.0.0.1:9"}, "FORWARDER_REDIS_URL"),
        ({"FORWARDER_DATA_DIR": "/proc/nowhere"}, "FORWARDER_DATA_DIR"),
        ({"FORWARDER_WORKERS": "none"}, "FORWARDER_WORKERS"),
    ],
    ids=["sandbox", "redis", "folder", "setting"],
)
def test_what_keeps_it_from_starting_is_one_clear_line(home: Home, variables: dict[str, str], said: str) -> None:
    home.environment |= variables
    refused = home.run("up")
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
