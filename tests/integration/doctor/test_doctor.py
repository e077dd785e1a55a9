"""`forwarder doctor`: what it says and how, and the faults of upstreams, files and settings: each, and its mend."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forwarder.doctor.checks import judge
from forwarder.doctor.facts import gather
from forwarder.doctor.finding import Level, worst
from forwarder.settings import load_settings
from forwarder.version import own_version
from tests.support.doctor import Doctor, rules_of, the, unwell, user
from tests.support.rig import Rig
from tests.support.waiting import eventually


def cli(rig: Rig, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "forwarder.cli", "doctor", *arguments]
    return subprocess.run(
        command, env=rig.environment, cwd=rig.folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_system_that_is_well_has_nothing_to_mend(start_rig: Callable[..., Rig]) -> None:
    rig = start_rig()
    rig.settings.data_dir.chmod(0o700)
    rig.start_worker()
    assert eventually(lambda: rig.redis.scard("rq:workers") == 1, 60)
    rig.variables["FORWARDER_BACKLOG_MAX_EVENTS"] = "1000"
    done = cli(rig, "--json")
    told = json.loads(done.stdout)
    findings = [one for one in told["findings"] if one["check"] != "latency"]  # a busy machine may be slow
    assert [one for one in findings if one["level"] != "ok"] == []
    assert done.returncode == {"ok": 0, "warning": 1}[told["level"]]
    wanted = {"eviction", "persistence", "workers", "releases", "rq jobs", "upstream default"}
    assert wanted <= {one["check"] for one in findings}
    assert f"every worker runs {own_version()}" in done.stdout


def test_each_finding_is_a_line_and_its_mend_another_and_the_exit_status_the_worst(rig: Rig) -> None:
    done = cli(rig)
    assert done.returncode == 2
    assert (
        "fault    workers: no worker is alive: nothing is delivered\n         mend: start one: `forwarder"
        in done.stdout
    )
    assert done.stderr == ""


def test_the_doctor_changes_nothing(rig: Rig, doctor: Doctor) -> None:
    rig.client().thumbs_up("t1")
    before = {key: rig.redis.dump(key) for key in rig.redis.keys("*")}
    doctor()
    assert {key: rig.redis.dump(key) for key in rig.redis.keys("*")} == before
    assert rig.sandbox.counts()["events"] == 0


@pytest.mark.parametrize(
    ("url", "what", "mend"),
    [
        ("https://nowhere.invalid/v1", "its host name is not found", "FORWARDER_BASE_URL"),
        ("http://127.0.0.1:1/v1", "no connection can be made", "firewalls"),
        ("https://{sandbox}/v1", "there is no TLS", "certificate"),
        ("http://{sandbox}/elsewhere", "there is no such path", "FORWARDER_FEEDBACK_PATH"),
    ],
)
def test_an_upstream_that_cannot_be_reached(rig: Rig, doctor: Doctor, url: str, what: str, mend: str) -> None:
    sandbox = "{}:{}".format(*rig.sandbox.address)
    found = the(doctor(base_url=url.format(sandbox=sandbox)), "upstream default")
    assert found.level is Level.FAULT
    assert what in found.what
    assert mend in found.mend


def test_an_upstream_that_refuses_the_key(rig: Rig, doctor: Doctor) -> None:
    rig.sandbox.set_keys(["another-key"])
    try:
        found = the(doctor(), "upstream default")
    finally:
        rig.sandbox.set_keys(["sandbox"])
    assert found.level is Level.FAULT
    assert "the key is not accepted" in found.what
    assert "FORWARDER_API_KEY" in found.mend


@pytest.mark.parametrize(("status", "level"), [(402, Level.FAULT), (503, Level.WARNING), (429, Level.WARNING)])
def test_an_upstream_that_is_unwell(rig: Rig, doctor: Doctor, status: int, level: Level) -> None:
    rig.sandbox.set_faults({"kind": "status", "status": status})
    assert the(doctor(), "upstream default").level is level


def test_each_destination_is_looked_at_and_its_own_variable_is_named(doctor: Doctor) -> None:
    found = doctor(destinations={"eu": {"base_url": "https://nowhere.invalid/v1"}})
    assert "FORWARDER_DESTINATIONS__EU__BASE_URL" in the(found, "upstream eu").mend


def test_an_env_file_that_others_read(doctor: Doctor) -> None:
    path = Path(".env")
    path.write_text("FORWARDER_API_KEY=x\n")
    path.chmod(0o644)
    found = the(doctor(), "env file")
    assert found.level is Level.FAULT
    assert found.mend.startswith("chmod 600 ")
    path.chmod(0o600)
    assert "env file" not in unwell(doctor())


def test_a_data_folder_that_cannot_be_written(rig: Rig, doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = the(doctor(data_dir=tmp_path / "file" / "data", redis_url=rig.url), "data folder")
    assert found.level is Level.FAULT
    assert "FORWARDER_DATA_DIR" in found.mend


def test_a_key_file_that_others_read_and_one_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "key"
    changed = {"api_key": None, "api_key_file": path}
    assert "cannot be read" in the(doctor(**changed), "upstream default").what
    path.write_text("sandbox\n")
    path.chmod(0o644)
    assert the(doctor(**changed), "key file").mend == f"chmod 600 {path}"
    path.chmod(0o600)
    assert {"key file", "upstream default"} & unwell(doctor(**changed)) == set()


def test_a_file_with_the_key_of_the_queue_that_others_read(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(base64.b64encode(bytes(32)).decode())
    path.chmod(0o644)
    assert the(doctor(queue_key_file=path), "key file").mend == f"chmod 600 {path}"


def test_a_redis_that_is_away_does_not_keep_the_rest_from_being_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    away = load_settings(redis_url=f"unix://{tmp_path}/none", base_url="http://127.0.0.1:1", data_dir=tmp_path)
    found = judge(gather(away))
    assert "cannot be reached" in the(found, "redis").what
    assert {"redis", "upstream default"} <= unwell(found)
    assert worst(found) is Level.FAULT


def test_a_password_that_is_wrong_is_told_without_it(rig: Rig, doctor: Doctor) -> None:
    url = user(rig, "producer", rules_of("producer")).replace("secret-of-it", "hunter2hunter2")
    found = the(doctor(redis_url=url), "redis")
    assert "refuses us" in found.what
    assert "hunter2" not in str(found)


def test_settings_that_are_wrong_are_findings_too(rig: Rig) -> None:
    environment = {**rig.environment, "FORWARDER_WORKERS": "many"}
    command = [sys.executable, "-m", "forwarder.cli", "doctor", "--json"]
    done = subprocess.run(command, env=environment, cwd=rig.folder, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 2
    assert told["findings"][0]["level"] == "fault"
    assert "FORWARDER_WORKERS" in told["findings"][0]["what"]
