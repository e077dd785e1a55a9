"""deploy/README.md's ways from other systems, as they stand there: what the old one holds arrives on the queue."""

import subprocess
import sys

from tests.support.documents import example
from tests.support.programs import queued, run_program
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.tools import own

SENDS_JOBS = """
import sys
from redis import Redis
from rq import Queue

old = Queue("old", Redis.from_url(sys.argv[1]))
for number in range(5):
    old.enqueue("shop.post_feedback", f"t{number}", 1)
"""
SENDS_TASKS = """
import os
from celery import Celery

old = Celery("shop", broker=os.environ["BROKER_URL"])
for number in range(5):
    old.send_task("shop.feedback", (f"t{number}", 1))
"""
RUNS_TASKS = """
import shop
from celery.contrib.testing.worker import start_worker
from forwarder.queue.connection import connect
from forwarder.settings import load_settings
from tests.support.waiting import eventually

client = connect(load_settings())
with start_worker(shop.app, perform_ping_check=False):
    assert eventually(lambda: client.llen("celery") == 0 and client.hlen("unacked") == 0, 60)
"""
EVENTS = [f"t{number}" for number in range(5)]


def test_from_direct_calls(rig: Rig) -> None:
    done = run_program(rig, example("instead of direct calls") + "\nthumbs_up('t1')\n")
    assert done.returncode == 0, done.stderr
    assert queued(rig) == ["t1"]


def test_from_one_rq_job_per_event(rig: Rig) -> None:
    environment = prepared(rig, "instead of one RQ job per event")
    subprocess.run([sys.executable, "-c", SENDS_JOBS, rig.url], env=environment, check=True)
    command = [own("rq"), "worker", "--burst", "--url", rig.url, "old"]
    done = subprocess.run(command, env=environment, cwd=rig.folder, capture_output=True, text=True, check=False)
    assert sorted(queued(rig)) == EVENTS, done.stderr


def test_from_celery_batches(rig: Rig) -> None:
    environment = prepared(rig, "instead of celery-batches")
    subprocess.run([sys.executable, "-c", SENDS_TASKS], env=environment, check=True)
    command = [sys.executable, "-c", RUNS_TASKS]
    done = subprocess.run(command, env=environment, cwd=rig.folder, capture_output=True, text=True, check=False)
    assert sorted(queued(rig)) == EVENTS, done.stderr


def prepared(rig: Rig, name: str) -> dict[str, str]:
    """The variables of processes that can import the example as `shop`."""
    (rig.folder / "shop.py").write_text(example(name))
    broker = rig.url.replace("unix://", "redis+socket://")
    return rig.environment | {"BROKER_URL": broker, "PYTHONPATH": f"{ROOT}:{rig.folder}"}
