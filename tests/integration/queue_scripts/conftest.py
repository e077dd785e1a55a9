"""A client of an empty queue."""

import pytest

from forwarder.queue.connection import connect
from forwarder.queue.keys import GROUP
from forwarder.settings import Settings
from tests.support.queue_steps import KEYS, Redis


@pytest.fixture
def client(settings: Settings) -> Redis:
    """With a group that has read nothing."""
    client = connect(settings)
    client.xgroup_create(KEYS.events, GROUP, id="0", mkstream=True)
    return client
