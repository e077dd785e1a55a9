"""What the doctor reads of this machine: who can read our files, and whether we can write where we must."""

import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forwarder.settings import Settings


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file or folder.

    Attributes:
        path: where it is.
        of: what it is for, in a word: `env`, `data`, or `key` for one that holds a key.
        exists: whether there is one.
        others_read: whether somebody besides its owner can read it.
        writable: whether a file can be made there; for what does not exist, in the nearest folder that does.
        free_bytes: on its disk; 0 when not known.
    """

    path: Path
    of: str
    exists: bool
    others_read: bool
    writable: bool
    free_bytes: int = 0


def read_files(settings: Settings | None, folder: Path) -> tuple[FileFacts, ...]:
    """The files that matter.

    Args:
        settings: in force; None when they are wrong, and only `.env` can be looked at.
        folder: the working folder, where `.env` is read.
    """
    looked = [_file(folder / ".env", "env")]
    if settings is not None:
        looked.append(_file(settings.data_dir, "data"))
        looked += [_file(path, "key") for path in _key_files(settings)]
    return tuple(looked)


def _key_files(settings: Settings) -> Sequence[Path]:
    of_upstreams = [settings.upstream(name).api_key_file for name in settings.destination_names]
    return sorted({path for path in (settings.queue_key_file, *of_upstreams) if path is not None})


def _file(path: Path, of: str) -> FileFacts:
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    try:
        others_read = path.exists() and bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH))
        free_bytes = shutil.disk_usage(there).free
    except OSError:
        others_read, free_bytes = False, 0
    return FileFacts(path, of, path.exists(), others_read, _takes_files(there), free_bytes)


def _takes_files(folder: Path) -> bool:
    """By trying it: rights say little of read-only disks, and nothing to root."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
