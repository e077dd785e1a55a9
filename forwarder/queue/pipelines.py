"""A pipeline of a cluster: which commands go to which node, and what their replies add up to (pure)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import AskError, RedisError, ResponseError

from forwarder.queue.address import Node
from forwarder.queue.clients import PassingError, worded
from forwarder.queue.slots import slot_of

Words = tuple[Any, ...]
Sent = tuple[Words, Mapping[str, Any]]


class Plan:
    """The commands of one pipeline.

    Args:
        commands: with their options, in order.
        node: where a command goes.

    Attributes:
        replies: in that order; errors stand in their places.
    """

    def __init__(self, commands: Sequence[Sent], node: Callable[[Words], Node]) -> None:
        self._commands = commands
        self.replies: list[Any] = [None] * len(commands)
        self._everywhere = [at for at, (words, _) in enumerate(commands) if slot_of(words) is None]
        self._at: dict[Node, list[int]] = {}
        for at, (words, _) in enumerate(commands):
            if at not in self._everywhere:
                self._at.setdefault(node(words), []).append(at)
        if not self._at and commands:
            self._at[node(commands[0][0])] = []
        self._of_nodes: dict[int, list[Any]] = {at: [] for at in self._everywhere}

    def by_node(self) -> Iterator[tuple[Node, list[Sent]]]:
        """What goes where; commands without a key go to each, behind those of its keys."""
        for node, places in self._at.items():
            yield node, [self._commands[at] for at in (*places, *self._everywhere)]

    def learn(self, node: Node, replies: Sequence[Any]) -> None:
        """What a node answered."""
        places = self._at[node]
        for at, reply in zip(places, replies, strict=False):
            self.replies[at] = reply
        for at, reply in zip(self._everywhere, replies[len(places) :], strict=True):
            self._of_nodes[at].append(reply)

    def redirected(self) -> Iterator[tuple[int, AskError, Words, Mapping[str, Any]]]:
        """Commands that a node has sent elsewhere; nobody waits for them there, which is to be tried again."""
        for at, reply in enumerate(self.replies):
            if isinstance(reply, AskError):
                for replies in self._of_nodes.values():
                    replies.append(PassingError("a slot has moved meanwhile"))
                yield at, reply, *self._commands[at]

    def answers(self, *, raise_on_error: bool) -> list[Any]:
        """The replies; of a command without a key the least, for WAIT says how many have what was written."""
        for at, replies in self._of_nodes.items():
            failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
            self.replies[at] = failure or min(replies)
        self.replies = [worded(one) if isinstance(one, ResponseError) else one for one in self.replies]
        failed = next((one for one in self.replies if isinstance(one, RedisError)), None)
        if failed is not None and raise_on_error:
            raise failed
        return self.replies
