"""RQ's own tools on our queue: its info, its worker command, bursts, its dashboard."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from forwarder.paths import DataDir
from tests.support.events import events
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually


def test_burst_stops_when_nothing_waits(rig: Rig) -> None:
    rig.client().send_many(events(3_000))
    worker = rig.start_worker("--burst")
    assert worker.wait(20) == 0
    assert rig.books()["delivered"] == 3_000
    assert rig.books().drains == 0


def test_rq_info_shows_queue_worker_and_drain(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "hang"})
    rig.client().send_many(events(1))
    rig.start_worker()
    assert eventually(rig.sandbox.faults)[0]
    assert eventually(lambda: rig.sandbox.faults()[0]["applied"])
    url = f"unix://{DataDir(rig.settings.data_dir).socket}"
    shown = subprocess.run(
        [Path(sys.executable).with_name("rq"), "info", "--url", url], capture_output=True, text=True, check=True
    ).stdout
    assert "feedback" in shown
    assert "1 workers" in shown
    rig.workers[0].send_signal(signal.SIGTERM)
    assert rig.workers[0].wait(15) == 0


def test_rqs_own_command_runs_our_worker(rig: Rig) -> None:
    rig.client().send_many(events(700))
    command = [str(Path(sys.executable).with_name("rq")), "worker", "-w", "workers.worker.FeedbackWorker", "--burst"]
    url = f"unix://{DataDir(rig.settings.data_dir).socket}"
    environment = os.environ | rig.variables | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--url", url, "feedback"], env=environment, check=True, capture_output=True, timeout=60)
    assert rig.books()["delivered"] == 700


def test_rq_dashboard_shows_queue_worker_and_drain(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("rq-dashboard")),
        "-c",
        "workers.dashboard",
        "--json",
        "-p",
        str(port),
    ]
    environment = os.environ | rig.variables | {"PYTHONPATH": str(ROOT)}
    with (rig.folder / "dashboard.log").open("wb") as log:
        dashboard = subprocess.Popen([*command, "-b", "127.0.0.1"], env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/0/data", trust_env=False) as http:

            def ask(path: str) -> Any:  # noqa: ANN401 - JSON
                try:
                    return http.get(path).raise_for_status().json()
                except httpx.TransportError:
                    return None

            assert eventually(lambda: ask("/queues.json"))
            rig.sandbox.set_faults({"kind": "hang", "seconds": 5})
            rig.client().send_many(events(1))
            rig.start_worker()
            (worker,) = eventually(lambda: [one for one in ask("/workers.json")["workers"] if one["state"] == "busy"])
            assert worker["current_job"]["description"] == "drain default, slot 0"
            assert ask("/queues.json")["queues"][0]["name"] == "feedback"
            (job,) = ask("/jobs/feedback/started/10/asc/1.json")["jobs"]
            assert job["id"].startswith("drain-default-0-")
    finally:
        dashboard.terminate()
        dashboard.wait()
