"""Which node of a cluster a command goes to: by the slot of its key, as the cluster last said who has it (pure)."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from redis.crc import key_slot

from forwarder.queue.address import Node

KEYLESS: Final = frozenset(
    (*("PING", "INFO", "TIME", "WAIT", "WAITAOF", "CONFIG", "CLIENT", "ACL", "ROLE", "CLUSTER", "COMMAND", "LATENCY"),)
)
"""Commands of a node, not of a key."""
_SCRIPTS: Final = ("EVALSHA", "EVAL")
_READS: Final = ("XREADGROUP", "XREAD")


class SlotMap:
    """Who has which slots."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ranges: list[tuple[int, Node]] = []

    def learn(self, reply: Sequence[Any], asked: Node) -> None:
        """What CLUSTER SLOTS answers: ranges with their primary first; a node without an address is the one asked."""
        found = sorted((int(first), int(last), _node(primary, asked)) for first, last, primary, *_ in reply)
        self._firsts = [first for first, _, _ in found]
        self._ranges = [(last, node) for _, last, node in found]

    def node(self, slot: int) -> Node | None:
        """The primary that has it; None when nobody has."""
        at = bisect_right(self._firsts, slot) - 1
        if at < 0:
            return None
        last, node = self._ranges[at]
        return node if slot <= last else None

    @property
    def nodes(self) -> list[Node]:
        """All primaries."""
        return list(dict.fromkeys(node for _, node in self._ranges))


def slot_of(words: Sequence[Any]) -> int | None:
    """The slot of a command's first key; None when it has none. All keys of ours have the same."""
    name = str(words[0]).upper()
    if name in KEYLESS or len(words) == 1:
        return None
    at = 1
    if name in _SCRIPTS:
        at = 3
    elif name in _READS:
        at = next(index for index, word in enumerate(words) if word in (b"STREAMS", "STREAMS")) + 1
    key = words[at]
    return int(key_slot(key if isinstance(key, bytes) else str(key).encode()))


def _node(primary: Sequence[Any], asked: Node) -> Node:
    host, port = primary[0], int(primary[1])
    name = host.decode() if isinstance(host, bytes) else host
    return (name or asked[0], port)
