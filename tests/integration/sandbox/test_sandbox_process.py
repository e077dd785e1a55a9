"""The sandbox as a process: many connections, kill -9, stops, and what keeps it from starting."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.sandbox import ROOT, Sandbox
from tests.support.sandbox_requests import GOOD, PATIENCE_S, api_of, raw_request, until


def test_it_takes_requests_at_once_from_many_connections(sandbox: Sandbox) -> None:
    answers: list[list[str]] = []

    def send(name: str) -> None:
        with api_of(sandbox) as client:
            for number in range(20):
                body = [{"trace_id": f"{name}-{number}-{place}", "value": 1} for place in range(50)]
                answers.append(client.post("/feedback", json=body).json()["feedback_ids"])

    threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({feedback_id for ids in answers for feedback_id in ids}) == 4 * 20 * 50
    assert sandbox.counts()["distinct_trace_ids"] == 4 * 20 * 50


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        with api_of(sandbox) as api:
            first = api.post("/feedback", json=[GOOD, GOOD]).json()["feedback_ids"]
        assert sandbox.kill() == -signal.SIGKILL
        sandbox.restart()
        assert sandbox.times_arrived() == {"t": 2}
        with api_of(sandbox) as api:
            again = api.post("/feedback", json=[GOOD, GOOD]).json()["feedback_ids"]
            assert api.put(f"/feedback/{first[1]}", json={"value": 0}).status_code == 200
        assert len({*first, *again}) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_in_spite_of_a_hang_and_open_connections(tmp_path: Path, number: signal.Signals) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.set_faults({"kind": "hang", "count": 1})
        with raw_request(sandbox) as hanging:
            until(lambda: len(sandbox.requests()) == 1)
            sandbox.add_fault({"kind": "latency", "ms": 600_000})
            with raw_request(sandbox):
                until(lambda: sandbox.faults()[1]["applied"] == 1)
                started = time.monotonic()
                sandbox.process.send_signal(number)
                assert sandbox.process.wait(PATIENCE_S) == 0
                assert time.monotonic() - started < 2
            with pytest.raises(ConnectionResetError):
                hanging.recv(1)
    assert "sandbox_stopped" in sandbox.log.read_text()
    assert "Traceback" not in sandbox.log.read_text()


def test_it_stops_when_its_parent_has_died(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'forwarder.sandbox', '--announce',"
        " '--stop-with-parent'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        url = json.loads(parent.stdout.readline())["url"]
        assert httpx.post(f"{url}/feedback", trust_env=False).status_code == 401
        parent.kill()
        assert parent.stdout.read() == ""  # returns when the sandbox, which inherited it, has ended too


def test_a_port_in_use_is_one_clear_line(sandbox: Sandbox, tmp_path: Path) -> None:
    refused = run(tmp_path, FORWARDER_SANDBOX_PORT=str(sandbox.address[1]))
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: ")
    assert "FORWARDER_SANDBOX_PORT" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FORWARDER_SANDBOX_PORT", "70000"), ("FORWARDER_SANDBOX_HOST", "192.0.2.1"), ("FORWARDER_DATA_DIR", "/dev/null")],
)
def test_what_keeps_it_from_starting_is_one_clear_line(tmp_path: Path, variable: str, value: str) -> None:
    refused = run(tmp_path, **{variable: value})
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert variable in line


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    refused = run(tmp_path, "--max-events", "0")
    assert refused.returncode == 2
    assert "--max-events" in refused.stderr


def environment(folder: Path, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORWARDER_")}
    ours = {"FORWARDER_SANDBOX_PORT": "0", "FORWARDER_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    return inherited | ours | variables


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A sandbox that is not expected to start."""
    return subprocess.run(
        [sys.executable, "-m", "forwarder.sandbox", *arguments],
        env=environment(folder, **variables),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
