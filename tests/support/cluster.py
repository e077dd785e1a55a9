"""A Redis Cluster of six real nodes on loopback: three primaries with a replica each; killed, and slots moved about."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.support.servers import Server, free_port
from tests.support.waiting import eventually

PRIMARIES = 3
NODE_TIMEOUT_MS = 1_000


class Cluster:
    """Six nodes that know each other.

    Args:
        binary: of all of them.
        folder: for their files.
        options: of all of them, beside those that make a cluster.
    """

    def __init__(self, binary: str, folder: Path, options: dict[str, str] | None = None) -> None:
        self._options = options or {}
        self._stack = ExitStack()
        self.nodes = [self._node(binary, folder / str(number)) for number in range(2 * PRIMARIES)]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self._found()
        assert eventually(lambda: self.is_whole, 40), self.nodes[0].log[-2000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def is_whole(self) -> bool:
        """Whether every node runs and finds all slots served, and each has its replica or primary."""
        return all(node.role() for node in self.nodes) and all(self._well(node) for node in self.nodes)

    def primary_of(self, key: str) -> Server:
        """The node that has a key."""
        for first, last, primary, *_ in self._say(self._alive(), "SLOTS"):
            if first <= key_slot(key.encode()) <= last:
                return next(node for node in self.nodes if node.port == primary[1])
        raise AssertionError(key)

    def another_than(self, node: Server) -> Server:
        """A primary that is not this one."""
        return next(one for one in self.nodes if one is not node and one.role() == "master")

    def replica_of(self, primary: Server) -> Server:
        """The node that follows this one."""
        for host, port, _ in primary.client.execute_command("ROLE")[2]:
            return next(node for node in self.nodes if (str(node.port), b"127.0.0.1") == (port.decode(), host))
        raise AssertionError(primary.port)

    def fail_over(self, replica: Server) -> None:
        """Let a replica take over from its primary, which first lets it catch up."""
        self._say(replica, "FAILOVER")
        assert eventually(lambda: replica.role() == "master", 20), replica.log[-2000:]

    def move_slot(self, key: str, target: Server, batch: int = 1) -> None:
        """Move the slot of a key to another primary as `redis-cli --cluster reshard` does, key by key."""
        source, slot = self.primary_of(key), key_slot(key.encode())
        self._say(target, "SETSLOT", slot, "IMPORTING", self._id(source))
        self._say(source, "SETSLOT", slot, "MIGRATING", self._id(target))
        while keys := self._say(source, "GETKEYSINSLOT", slot, batch):
            words = ("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
            source.client.execute_command(*words)
        for node in (target, source, *self.nodes):
            if node.role() == "master":
                self._say(node, "SETSLOT", slot, "NODE", self._id(target))

    def _node(self, binary: str, folder: Path) -> Server:
        port = free_port()
        options = {
            "port": str(port),
            "bind": "127.0.0.1",
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-replica-validity-factor": "0",
            "appendonly": "yes",
            "save": "",
            "repl-diskless-sync-delay": "0",
        } | self._options
        return self._stack.enter_context(Server(binary, folder, port, options))

    def _found(self) -> None:
        """Make them one cluster."""
        for number, node in enumerate(self.nodes):
            self._say(node, "SET-CONFIG-EPOCH", number + 1)
        first, *others = self.nodes
        for node in others:
            bus = node.client.config_get("cluster-port")["cluster-port"]
            self._say(first, "MEET", "127.0.0.1", node.port, bus)
        share = REDIS_CLUSTER_HASH_SLOTS // PRIMARIES + 1
        for number in range(PRIMARIES):
            last = min((number + 1) * share, REDIS_CLUSTER_HASH_SLOTS) - 1
            self._say(self.nodes[number], "ADDSLOTSRANGE", number * share, last)
        assert eventually(lambda: all(len(self._known(node)) == len(self.nodes) for node in self.nodes), 40)
        for number in range(PRIMARIES):
            self._say(self.nodes[PRIMARIES + number], "REPLICATE", self._id(self.nodes[number]))

    def _well(self, node: Server) -> bool:
        """Whether it finds the cluster whole, and its replica or primary linked."""
        info = node.client.info("replication")
        linked = info.get("connected_slaves") == 1 or info.get("master_link_status") == "up"
        return linked and b"cluster_state:ok" in self._say(node, "INFO")

    def _known(self, node: Server) -> list[bytes]:
        lines: list[bytes] = self._say(node, "NODES").splitlines()
        return [line for line in lines if b"handshake" not in line]

    def _id(self, node: Server) -> str:
        return str(self._say(node, "MYID").decode())

    def _alive(self) -> Server:
        return next(node for node in self.nodes if node.role())

    @staticmethod
    def _say(node: Server, *words: Any) -> Any:  # noqa: ANN401 - any words, any reply
        return node.client.execute_command("CLUSTER", *words)
