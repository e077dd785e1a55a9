"""One `forwarder up` to a data folder: its lock, and what it tells other commands beside it."""

import contextlib
import fcntl
import json
import os
from typing import IO

from forwarder.errors import EmbeddedError
from forwarder.paths import DataDir


class DataLock:
    """Held by the one `forwarder up` of a data folder; the kernel frees it when the process dies.

    Raises:
        EmbeddedError: another process holds it.
    """

    def __init__(self, data: DataDir) -> None:
        try:
            data.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file: IO[str] = data.lock.open("a+")
        except OSError as error:
            raise EmbeddedError(f"FORWARDER_DATA_DIR {data.root} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EmbeddedError(
                f"`forwarder up` already runs on {data.root} (process {_told(data).get('pid', '?')}): "
                "stop that one, or set FORWARDER_DATA_DIR to another folder"
            ) from None
        self.tell()

    def tell(self, **facts: str) -> None:
        """Say what runs here, in place of what was said before: text by name, beside this process's id."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"pid": os.getpid(), **facts}))
        self._file.flush()

    def release(self) -> None:
        """Free the folder for the next one."""
        self._file.close()


def sandbox_url(data: DataDir) -> str | None:
    """The base URL of the sandbox that `forwarder up` runs on this folder; None when it runs none."""
    with contextlib.suppress(OSError), data.lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # it is held, so that what it says is in force
            return _told(data).get("sandbox")
    return None


def _told(data: DataDir) -> dict[str, str]:
    """What its holder said; nothing at the moment in which it says it anew."""
    try:
        told = json.loads(data.lock.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: str(value) for name, value in told.items()} if isinstance(told, dict) else {}
