"""The whole system, as a fixture."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.rig import Rig

StartRig = Callable[..., Rig]


@pytest.fixture
def start_rig() -> Iterator[StartRig]:
    """Starts a rig with these variables; everything is ended with the test."""
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="fwd-")))  # short: sockets are inside

        def start(**variables: str) -> Rig:
            return started.enter_context(Rig(folder, **variables))

        yield start


@pytest.fixture
def rig(start_rig: StartRig) -> Rig:
    """The system without workers yet."""
    return start_rig()
