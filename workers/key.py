"""The key of an upstream while a drain runs: read again when its file has changed, so that it is rotated in place."""

import os
import time
from pathlib import Path
from typing import Final

from forwarder.errors import InvalidSettings
from forwarder.key_settings import MASKED_FROM, read_key
from forwarder.log import get_logger
from forwarder.upstream_settings import Upstream

LOOK_S: Final = 1.0
"""Between two looks at the file."""
Stamp = tuple[int, int, int]


class Key:
    """A key from a setting stays; one from a file is looked at before a request, once a second at most.

    While the file cannot be read, as in the middle of an exchange, the key that was read last stays in force.

    Args:
        upstream: whose key it is.

    Attributes:
        headers: by which it is sent.
        secrets: what must not be quoted: the keys of this drain's life, those that are not too short to be told.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._path: Path | None = upstream.api_key_file
        self._bearer = upstream.auth_scheme == "bearer"
        self._stamp = _stamp(self._path)
        self._looked_at = time.monotonic()
        self.secrets: list[str] = []
        self.headers: dict[str, str] = {}
        self._take(upstream.key)

    def renew(self) -> bool:
        """Look whether the file holds another key, and take it; True when it did."""
        if self._path is None or time.monotonic() < self._looked_at + LOOK_S:
            return False
        self._looked_at = time.monotonic()
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp  # what cannot be read is said once
        try:
            key = read_key(self._path)
        except InvalidSettings as error:
            get_logger().warning("key_not_read", reason=str(error), next="the key that was read last stays in force")
            return False
        get_logger().info("key_renewed", file=str(self._path))
        self._take(key)
        return True

    def _take(self, key: str) -> None:
        self.headers = {"authorization": f"Bearer {key}"} if self._bearer else {"x-portkey-api-key": key}
        if len(key) >= MASKED_FROM:
            self.secrets.append(key)


def _stamp(path: Path | None) -> Stamp | None:
    """By what a file is known to be unchanged: by its number, for another may be moved into its place, and its time."""
    try:
        seen = os.stat(path) if path else None  # noqa: PTH116 - no Path is made for it
    except OSError:
        return None
    return seen and (seen.st_ino, seen.st_ctime_ns, seen.st_size)
