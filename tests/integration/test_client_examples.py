"""The examples in the client's docstrings do what they say."""

import doctest
from collections.abc import Iterator
from types import ModuleType

import pytest

from forwarder.client import FeedbackClient, async_client, client, resource, trace
from tests.support.rig import Rig


@pytest.fixture
def sender(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedbackClient]:
    for name, value in rig.variables.items():
        monkeypatch.setenv(name, value)
    sender = FeedbackClient()
    yield sender
    sender.close()


@pytest.mark.parametrize(("module", "fewest"), [(client, 11), (async_client, 4), (resource, 3), (trace, 1)])
def test_examples(sender: FeedbackClient, module: ModuleType, fewest: int) -> None:
    result = doctest.testmod(module, extraglobs={"client": sender})
    assert result.failed == 0
    assert result.attempted >= fewest
