"""Whom the ingest is for: the official SDK, curl, and whatever else the OpenAPI description allows."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest, own_path
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually

KEY = "sdk-key-1"
FORMS = ["create", "bulk", "bare", "async create", "async bulk"]


def test_the_official_sdk_needs_another_base_url_and_nothing_else(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_INGEST_KEYS__SDK=KEY)
    rig.start_worker()
    with Ingest(rig) as ingest:
        program = ROOT / "tests" / "support" / "sdk_calls.py"
        command = [sys.executable, str(program), ingest.url, KEY]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=rig.folder, timeout=60)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert [told[form]["status"] for form in FORMS] == ["success"] * 5
        assert [len(told[form]["feedback_ids"]) for form in FORMS] == [1, 3, 1, 1, 3]
        assert "updates to the Feedback API itself" in told["update"]
        rig.assert_everything_arrived(9)
    (one,) = rig.sandbox.arrivals(trace_id="one")
    assert one["times"] == 1, one


def test_curl_as_the_page_shows_it(rig: Rig) -> None:
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("this machine has no curl")
    rig.start_worker()
    with Ingest(rig) as ingest:
        body = '{"trace_id": "t1", "value": 1, "text": "good"}'
        for more in ([], ["-H", "Connection: Upgrade", "-H", "Upgrade: h2c"], ["-H", "Expect: 100-continue"]):
            command = [curl, "-sS", "-m", "10", f"{ingest.url}/feedback/", "-d", body]
            command += ["-H", "content-type: application/json", *more]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["status"] == "success", more
        assert eventually(lambda: rig.books()["delivered"] == 3)


REFUSALS = "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 404, 405, 413, 415, 422]\n"
"""An array that is too long is refused with 413, which the program does not take for a refusal by itself."""


@pytest.mark.parametrize("keys", [{}, {"FORWARDER_INGEST_KEYS__TEST": KEY}], ids=["open", "with a key"])
def test_all_that_the_description_allows_is_answered_as_it_says(start_rig: StartRig, keys: dict[str, str]) -> None:
    rig = start_rig(**keys)
    (rig.folder / "schemathesis.toml").write_text(REFUSALS)
    with Ingest(rig) as ingest:
        command = [str(own_path() / "schemathesis"), "run", ingest.url.removesuffix("/v1") + "/openapi.json"]
        command += [
            "--checks",
            "all",
            "--max-examples",
            "25",
            "--generation-database",
            "none",
            "--seed",
            "20261126",
            "--exclude-path-regex",
            "^/api",
        ]
        command += ["-H", f"x-portkey-api-key: {KEY}"] if keys else []
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=rig.folder, timeout=400)
        assert done.returncode == 0, done.stdout[-6000:]
    assert not rig.logged("request_failed")
