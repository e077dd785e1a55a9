"""Checks of this machine: settings, files and folders (pure)."""

from collections.abc import Iterator
from typing import Final

from forwarder.doctor.facts import Facts
from forwarder.doctor.files import FileFacts
from forwarder.doctor.finding import Finding, fault, ok, warning

FREE_MIN_BYTES: Final = 512 * 1024 * 1024
"""Of the disk under the data folder."""


def settings(facts: Facts) -> Iterator[Finding]:
    """Are they right?"""
    if facts.settings is None:
        for line in facts.settings_error.splitlines():
            yield fault(
                "settings", line, "set it as it says, in the environment or in .env; `forwarder config` lists all"
            )
    else:
        yield ok("settings", "every variable has a value that is allowed")


def env_file(facts: Facts) -> Iterator[Finding]:
    """Can others read it?"""
    for one in _of(facts, "env"):
        if not one.exists:
            yield ok("env file", "there is none in this folder")
        elif one.others_read:
            yield fault("env file", f"{one.path} can be read by others, and holds keys", f"chmod 600 {one.path}")
        else:
            yield ok("env file", f"{one.path} can be read by its owner only")


def data_folder(facts: Facts) -> Iterator[Finding]:
    """Can we write there, is it ours alone, and has its disk room?"""
    for one in _of(facts, "data"):
        if not one.writable:
            yield fault(
                "data folder",
                f"{one.path} cannot be written: the embedded queue and the spill file have no place",
                f"chown it to the user that runs the forwarder, or set FORWARDER_DATA_DIR to a folder of its own "
                f"(it is {one.path})",
            )
        elif one.exists and one.others_read:
            yield warning(
                "data folder", f"{one.path} can be read by others, and may hold events", f"chmod 700 {one.path}"
            )
        elif one.free_bytes < FREE_MIN_BYTES:
            yield warning(
                "data folder",
                f"{one.free_bytes / 1e6:,.0f} MB are free under {one.path}",
                "make room, or set FORWARDER_DATA_DIR to a folder on a larger disk",
            )
        else:
            yield ok("data folder", f"{one.path} can be written, {one.free_bytes / 1e9:,.1f} GB are free")


def key_files(facts: Facts) -> Iterator[Finding]:
    """Can others read the keys?"""
    for one in _of(facts, "key"):
        if one.others_read:
            yield warning("key file", f"{one.path} can be read by others", f"chmod 600 {one.path}")


def _of(facts: Facts, kind: str) -> Iterator[FileFacts]:
    return (one for one in facts.files if one.of == kind)
