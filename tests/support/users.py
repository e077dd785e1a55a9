"""The Redis users that are shipped, with passwords made as the README beside them says."""

import re
import subprocess
from pathlib import Path

from tests.support.sandbox import ROOT

SHIPPED = ROOT / "deploy" / "redis"
USERS = (SHIPPED / "users.acl").read_text()


def users_file(folder: Path) -> Path:
    """A file for a server's `aclfile`; `default` stays, for the test itself."""
    path = folder / "users.acl"
    path.write_text(USERS.replace("user default off", "user default on nopass ~* &* +@all"))
    (commands,) = re.findall(r"```sh\n(.*?)```", (SHIPPED / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(["sh", "-euc", commands], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S607 - as an administrator does
    (folder / "passwords").write_text(done.stdout)
    return path


def login(folder: Path, user: str) -> str:
    """`user:password`, as in a URL, of a user of the file in this folder."""
    lines = (folder / "passwords").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{user}:"))
