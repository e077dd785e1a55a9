"""Where our own files live: the data folder and what is in it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/forwarder`, or `~/.local/share/forwarder` (XDG Base Directory Specification 0.8).

    A user without a home, as containers have, gets a folder of its own among the temporary ones.
    """
    base = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "forwarder"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"forwarder-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class DataDir:
    """The files under FORWARDER_DATA_DIR."""

    root: Path

    @property
    def valkey(self) -> Path:
        """The folder of the embedded server: its append-only file, log and socket."""
        return self.root / "valkey"

    @property
    def socket(self) -> Path:
        """The unix socket of the embedded server."""
        return self.valkey / "valkey.sock"

    @property
    def lock(self) -> Path:
        """Held by the one `forwarder up` that runs on this folder."""
        return self.root / "up.lock"

    @property
    def sandbox(self) -> Path:
        """What the sandbox has received (SQLite)."""
        return self.root / "sandbox.sqlite3"

    @property
    def spill(self) -> Path:
        """What producers could not append yet (SQLite)."""
        return self.root / "spill.sqlite3"
