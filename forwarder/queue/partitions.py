"""Which partitions a destination has: those that are configured, and those of earlier that still hold something.

Producers choose among the configured ones. When their number was lowered, what lies in the others is still drained and
still in the books: a partition that has a stream is found, whoever wrote to it.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from forwarder.queue.connection import AsyncClient, Client
from forwarder.queue.keys import PARTITIONS, Keys
from forwarder.settings import Settings

LOOK_S: Final = 5.0
"""Between two looks for partitions of earlier."""


def configured(settings: Settings, destination: str) -> list[Keys]:
    """Those among which producers choose."""
    count = settings.partitions_of(destination)
    return [Keys(destination, partition, settings.key_prefix) for partition in range(count)]


def found(client: Client, settings: Settings, destination: str) -> list[Keys]:
    """All that there are, the configured ones first; costs one round trip."""
    others = _others(settings, destination)
    with client.pipeline(transaction=False) as pipeline:
        for keys in others:
            pipeline.exists(keys.events)
        return configured(settings, destination) + _existing(others, pipeline.execute())


async def found_async(client: AsyncClient, settings: Settings, destination: str) -> list[Keys]:
    """The same for an asyncio client."""
    others = _others(settings, destination)
    async with client.pipeline(transaction=False) as pipeline:
        for keys in others:
            pipeline.exists(keys.events)
        return configured(settings, destination) + _existing(others, await pipeline.execute())


def _others(settings: Settings, destination: str) -> list[Keys]:
    first = settings.partitions_of(destination)
    return [Keys(destination, partition, settings.key_prefix) for partition in range(first, PARTITIONS)]


def _existing(others: Sequence[Keys], replies: list[Any]) -> list[Keys]:
    return [keys for keys, exists in zip(others, replies, strict=True) if exists]


class Partitions:
    """All partitions of all destinations, for who asks every second.

    Args:
        settings: destinations and their partitions.
        client: of the queue.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._known: dict[str, list[Keys]] = {}
        self._looked: dict[str, float] = {}

    def of(self, destination: str) -> list[Keys]:
        """Those of a destination, as of at most LOOK_S ago."""
        now = time.monotonic()
        if now - self._looked.get(destination, -LOOK_S) >= LOOK_S:
            self._known[destination] = found(self._client, self._settings, destination)
            self._looked[destination] = now
        return self._known[destination]
