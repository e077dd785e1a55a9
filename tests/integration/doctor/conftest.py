"""A system for the tests of a file, and the doctor of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forwarder.doctor.checks import judge
from forwarder.doctor.facts import gather
from forwarder.doctor.finding import Finding
from forwarder.queue.rights import Role
from tests.support.doctor import Doctor
from tests.support.rig import Rig


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One system for all; each test leaves it as it was."""
    with Rig(tmp_path_factory.mktemp("d")) as started:
        yield started


@pytest.fixture
def rig(whole: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """The system, with an empty queue and the server's settings as they were."""
    monkeypatch.chdir(tmp_path)
    yield whole
    for name, value in {"maxmemory-policy": "noeviction", "appendfsync": "everysec", "maxmemory": "0"}.items():
        whole.redis.config_set(name, value)
    whole.redis.config_set("appendonly", "yes")
    whole.redis.flushall()
    whole.sandbox.clear_faults()


@pytest.fixture
def doctor(rig: Rig) -> Doctor:
    """What it finds; `role` and settings as keywords."""

    def look(role: Role | None = None, **settings: Any) -> list[Finding]:  # noqa: ANN401 - of any type
        return judge(gather(rig.settings.model_copy(update=settings)), role)

    return look
