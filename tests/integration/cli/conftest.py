"""The commands, in this process and as processes of their own, and the queue that they work on."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from forwarder.cli.app import app
from forwarder.queue.connection import Client, connect
from forwarder.settings import Settings
from tests.support.command_line import Cli
from tests.support.sandbox import ROOT


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    connected = connect(settings)
    yield connected
    connected.close()


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls a command in this process."""
    monkeypatch.setenv("FORWARDER_REDIS_URL", settings.redis_url)
    return lambda *args, **options: CliRunner().invoke(app, [str(arg) for arg in args], **options)


@pytest.fixture
def process(settings: Settings) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a command as a process."""
    environment = {**os.environ, "FORWARDER_REDIS_URL": settings.redis_url, "PYTHONPATH": str(ROOT)}

    def start(*args: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "forwarder.cli", *args],
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
