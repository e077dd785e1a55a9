"""Programs that check what is deployed: those of the virtual environment, and those of the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def checked(*command: str, cwd: Path, env: dict[str, str] | None = None, fed: str = "") -> str:
    """What a program says; it must be content. A name without a path is one of the virtual environment.

    Args:
        command: its words.
        cwd: where it runs.
        env: variables besides our own.
        fed: its standard input.
    """
    words = [own(command[0]), *command[1:]]
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, **(env or {})}, input=fed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def own(name: str) -> str:
    """The path of a program of the virtual environment."""
    return name if "/" in name else str(Path(sys.executable).with_name(name))


def of_machine(name: str, package: str = "") -> str:
    """The path of a program of the machine; skips where there is none.

    Args:
        name: of the program.
        package: Debian's that has it, if CI installs that: there it must not be missing.
    """
    path = shutil.which(name)
    if path is None:
        if package and os.environ.get("CI"):
            pytest.fail(f"{name} is not installed: apt-get install {package}")
        pytest.skip(f"this machine has no {name}")
    return path
