"""Where the clients of a cluster send what: the map of slots, whether it is right, and what a redirection says."""

import time
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import AskError, MovedError

from forwarder.queue.address import Node
from forwarder.queue.clients import PassingError
from forwarder.queue.slots import SlotMap, slot_of

REDIRECTS: Final = 5
"""How often a command is sent elsewhere."""
REFRESH_S: Final = 0.1
"""Between two questions who has which slots."""


class Routes:
    """One client's.

    Args:
        seeds: nodes to be asked for the others.
    """

    def __init__(self, seeds: tuple[Node, ...]) -> None:
        self._seeds = seeds
        self._map = SlotMap()
        self._stale = True
        self._asked_at = 0.0

    @property
    def due(self) -> bool:
        """Whether a node is to be asked who has which slots: something has changed, and nobody was asked just now."""
        recent = time.monotonic() - self._asked_at < REFRESH_S
        return self._stale and not (recent and self._map.nodes)

    @property
    def primaries(self) -> list[Node]:
        """Who has slots, as far as the map is known."""
        return self._map.nodes

    @property
    def candidates(self) -> list[Node]:
        """Who can be asked, in order."""
        return list(dict.fromkeys([*self._map.nodes, *self._seeds]))

    def learn(self, reply: Sequence[Any], asked: Node) -> None:
        """What CLUSTER SLOTS answered, and who."""
        self._map.learn(reply, asked)
        self._stale, self._asked_at = False, time.monotonic()

    def node(self, words: Sequence[Any]) -> Node:
        """Where a command goes, as far as the map is known.

        Raises:
            PassingError: nobody has its slot.
        """
        slot = slot_of(words)
        found = next(iter(self._map.nodes), None) if slot is None else self._map.node(slot)
        if found is None:
            self._stale = True
            raise PassingError(f"no node of the cluster has the slot {slot}")
        return found

    def note(self, error: Exception) -> None:
        """Something went wrong at a node; only when it sent one command elsewhere for now is the map still right."""
        self._stale = self._stale or not isinstance(error, AskError) or isinstance(error, MovedError)


def elsewhere(node: Node, error: AskError) -> tuple[Node, bool]:
    """Where a node sends a command, and whether that one has to be asked with ASKING; without a name it is the same."""
    return (error.host or node[0], error.port), not isinstance(error, MovedError)
