"""The console's API for the tests of a file: one server, one queue."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.console import TOKEN, USERS
from tests.support.console_api import bearer
from tests.support.ingest import Ingest
from tests.support.rig import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Rig(Path(folder), **USERS) as rig:
        yield rig


@pytest.fixture(scope="module")
def ingest(rig: Rig) -> Iterator[Ingest]:
    with Ingest(rig) as ingest:
        yield ingest


@pytest.fixture
def api(rig: Rig, ingest: Ingest) -> Iterator[httpx.Client]:
    """An operator's client, and an empty queue."""
    rig.redis.flushall()
    with httpx.Client(base_url=ingest.http.base_url, headers=bearer(TOKEN), trust_env=False, timeout=30) as client:
        yield client
