"""Faults of a Redis Cluster that holds the queue: its nodes, and its slots on their way from one to another.

They begin only while the cluster is whole, for what a replica does not have yet nobody has promised to keep.
"""

from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from forwarder.queue.partitions import configured
from tests.chaos.faults.kind import Fault, Kind
from tests.chaos.world import World
from tests.support.cluster import Cluster
from tests.support.servers import Server

HELD = "cluster"
PATIENCE_S = 8.0
"""For the cluster to be whole again: a fail-over, and the copy of a whole node."""


@dataclass
class NodeFault:
    """Something happens to a node that has a partition, or to that one's replica.

    Args:
        pick: which partition, as a share of all.
        replica: of whom.
    """

    pick: float
    replica: bool = False
    node: Server | None = None

    def begin(self, world: World) -> str | None:
        """Choose it and let it happen."""
        cluster = _whole(world)
        if not cluster:
            return None
        key = _key(world, self.pick)
        primary = cluster.primary_of(key)
        self.node = cluster.replica_of(primary) if self.replica else primary
        self.strike(self.node)
        return f"{'replica' if self.replica else 'primary'} on port {self.node.port}, of {key}"

    def end(self, _: World) -> None:
        """Let it be well again."""
        assert self.node
        self.mend(self.node)

    def strike(self, node: Server) -> None:
        """Do it."""
        raise NotImplementedError

    def mend(self, node: Server) -> None:
        """Undo it."""
        raise NotImplementedError


class NodeKilled(NodeFault):
    """It is killed, and started again on its file later on."""

    def strike(self, node: Server) -> None:
        """Kill -9."""
        node.kill()

    def mend(self, node: Server) -> None:
        """Start it; what it missed comes from whoever replaced it."""
        node.start()


class NodeFrozen(NodeFault):
    """It stands still; when that lasts it is replaced, and finds out when it goes on."""

    def strike(self, node: Server) -> None:
        """Stop it."""
        node.freeze()

    def mend(self, node: Server) -> None:
        """Let it go on."""
        node.thaw()


@dataclass(frozen=True)
class Lasting:
    """Something about the cluster changes, and stays so.

    Args:
        pick: of which partition, as a share of all.
    """

    pick: float

    def begin(self, world: World) -> str | None:
        """Change it."""
        cluster = _whole(world)
        return self.change(cluster, _key(world, self.pick)) if cluster else None

    def end(self, world: World) -> None:
        """It stays so."""

    def change(self, cluster: Cluster, key: str) -> str:
        """Do it; answers what was done."""
        raise NotImplementedError


class HandedOver(Lasting):
    """A replica takes over from its primary in good order, as before an upgrade."""

    def change(self, cluster: Cluster, key: str) -> str:
        """Tell it to."""
        primary = cluster.primary_of(key)
        replica = cluster.replica_of(primary)
        cluster.fail_over(replica)
        return f"primary on port {primary.port}, to {replica.port}"


class SlotMoved(Lasting):
    """All keys of a partition move to another node, one by one."""

    def change(self, cluster: Cluster, key: str) -> str:
        """Move them."""
        source = cluster.primary_of(key)
        target = cluster.another_than(source)
        cluster.move_slot(key, target)
        return f"{key} from port {source.port} to {target.port}"


def _whole(world: World) -> Cluster | None:
    """The cluster, if it is whole."""
    assert world.cluster, "only on a cluster"
    try:
        return world.cluster if world.cluster.is_whole else None
    except RedisError:
        return None


def _key(world: World, pick: float) -> str:
    partitions = configured(world.rig.settings, "default")
    return partitions[int(pick * len(partitions))].events


def _kind(name: str, fault: Callable[[float], Fault], lasts_s: tuple[float, float] = (0, 0)) -> Kind:
    return Kind(name, lambda dice: fault(dice.random()), lasts_s, HELD, PATIENCE_S)


KINDS = (
    _kind("primary-kill", NodeKilled, (3, 6)),  # it is replaced after 1 s
    _kind("primary-restart", NodeKilled, (0, 0.3)),
    _kind("primary-freeze", NodeFrozen, (0.3, 5)),
    _kind("replica-kill", lambda pick: NodeKilled(pick, replica=True), (1, 4)),
    _kind("primary-hand-over", HandedOver),
    _kind("slot-move", SlotMoved),
)
