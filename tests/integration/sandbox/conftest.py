"""A sandbox for the tests of a file, as new for each of them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.sandbox import Sandbox
from tests.support.sandbox_requests import api_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.set_faults(seed=0)
    shared.set_keys(["sandbox"])
    shared.empty()
    return shared


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with api_of(sandbox) as client:
        yield client
