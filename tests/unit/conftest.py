"""Unit tests know nothing of the machine: no FORWARDER_* variable, no .env, and no deadline for a busy one."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.upper().startswith("FORWARDER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
