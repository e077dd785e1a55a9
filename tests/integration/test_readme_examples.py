"""The README's examples, run as they stand there, with the real framework; the events are on the queue afterwards."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import queued, run_program
from tests.support.readme import example
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually

VISITS = {
    "FastAPI": """
from fastapi.testclient import TestClient
browser = TestClient(app)
assert browser.post("/thumbs-up/t1", params={"text": "good"}).status_code == 202
""",
    "Django": """
import django
from django.conf import settings
from django.test import Client
from django.urls import path
settings.configure(ROOT_URLCONF="__main__", SECRET_KEY="for the test", ALLOWED_HOSTS=["*"])
django.setup()
urlpatterns = [path("thumbs-up/<trace_id>", thumbs_up)]
assert Client().post("/thumbs-up/t1", {"text": "good"}).status_code == 202
""",
    "Flask": """
assert app.test_client().post("/thumbs-up/t1", data={"text": "good"}).status_code == 202
""",
    "AWS Lambda": """
assert handler({"trace_id": "t1", "value": 1}, None) == {"statusCode": 202}
os.kill(os.getpid(), 9)  # frozen for ever
""",
}
"""By example: somebody uses it."""

GATEWAY = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Gateway(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("x-portkey-trace-id", "trace-of-the-gateway")
        self.end_headers()
        self.wfile.write(b'{"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}')

    def log_message(self, *_):
        pass

gateway = HTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=gateway.serve_forever, daemon=True).start()
from openai import OpenAI
openai_client = OpenAI(api_key="k", base_url=f"http://127.0.0.1:{gateway.server_port}/v1")
"""


@pytest.mark.parametrize("framework", VISITS)
def test_an_example_of_a_framework(rig: Rig, framework: str) -> None:
    done = run_program(rig, example(framework) + VISITS[framework])
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert queued(rig) == ["t1"]


def test_the_example_of_the_openai_sdk(rig: Rig) -> None:
    said = "\nprint(trace_id, completion.id)\n"
    done = run_program(rig, GATEWAY + example("OpenAI SDK") + said)
    assert done.stdout.split() == ["trace-of-the-gateway", "c1"], done.stderr


def test_the_example_of_celery_with_a_worker_that_forks(rig: Rig) -> None:
    (rig.folder / "scores.py").write_text(example("Celery"))
    broker = rig.url.replace("unix://", "redis+socket://")
    environment = rig.environment | {"BROKER_URL": broker, "PYTHONPATH": f"{ROOT}:{rig.folder}"}
    sends = "from scores import score\nfor number in range(200):\n    score.delay(f't{number}', 1)\n"
    subprocess.run([sys.executable, "-c", sends], env=environment, cwd=rig.folder, check=True)
    command = [sys.executable, "-m", "celery", "-A", "scores", "worker", "--pool", "prefork", "-c", "2", "-l", "INFO"]
    with rig.log.open("ab") as log:
        worker = subprocess.Popen(command, env=environment, cwd=rig.folder, stdout=log, stderr=log)
    try:
        assert eventually(lambda: rig.said("succeeded in") == 200, 60), rig.log.read_text()[-4000:]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert sorted(queued(rig)) == sorted(f"t{number}" for number in range(200))


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ioredis in it; skips where there is no node or no registry."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("this machine has no node")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "ioredis@5"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not come to an end: no registry within reach")
    if done.returncode:
        pytest.skip(f"npm cannot install ioredis here: {done.stderr.strip()[-200:]}")
    return folder


def test_the_example_in_node(rig: Rig, node_modules: Path) -> None:
    program = node_modules / "example.mjs"
    program.write_text(example("Node"))
    environment = rig.environment | {"REDIS_URL": rig.url.removeprefix("unix://")}
    subprocess.run(["node", str(program)], env=environment, cwd=node_modules, check=True, timeout=30)  # noqa: S607 - the machine's
    assert queued(rig) == ["t1", "t2"]
    entries: Any = rig.redis.xrange(rig.keys.events)
    ((_, fields),) = entries
    assert (fields[b"source"], json.loads(fields[b"body"])[1]["value"]) == (b"web", -1)
    rig.start_worker()
    rig.assert_everything_arrived(2)
