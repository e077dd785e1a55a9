"""Systems to be attacked by whoever can write to RQ's keys, and workers that meet the attacks."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from forwarder.paths import DataDir
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from workers.rq_classes import QUEUE_NAME

RQ = str(Path(sys.executable).with_name("rq"))
"""RQ's own command."""
SECRET = "sk-planted-secret"
"""The upstream's key, which nothing may tell."""


@contextlib.contextmanager
def new_rig(**variables: str) -> Iterator[Rig]:
    """A system whose drains end soon, with these variables."""
    folder = tempfile.TemporaryDirectory(prefix="fwd-")
    variables = {"FORWARDER_DRAIN_IDLE_S": "0.2", "FORWARDER_API_KEY": SECRET} | variables
    with folder as path, Rig(Path(path), **variables) as rig:
        rig.sandbox.set_keys([SECRET])
        yield rig


def url(rig: Rig) -> str:
    """Of its Redis, by the socket."""
    return f"unix://{DataDir(rig.settings.data_dir).socket}"


def start(rig: Rig, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process with the rig's settings, which can import what is planted, and which the rig ends."""
    environment = os.environ | rig.variables | {"PYTHONPATH": f"{ROOT}:{rig.folder}"}
    with rig.log.open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=rig.folder, stdout=log, stderr=log)
    rig.workers.append(process)
    return process


@contextlib.contextmanager
def running(rig: Rig, command: Sequence[str], queue: str = QUEUE_NAME) -> Iterator[subprocess.Popen[bytes]]:
    """A worker; asked to stop in the end, for a pool has grandchildren."""
    process = start(rig, [*command, "--url", url(rig), queue] if command[0] == RQ else command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def lease_held(rig: Rig) -> Iterator[None]:
    """Meanwhile a drain ends at once, and an idle worker looks for jobs alone."""
    rig.redis.set(rig.keys.lease(0), "somebody")
    yield
    rig.redis.delete(rig.keys.lease(0))
