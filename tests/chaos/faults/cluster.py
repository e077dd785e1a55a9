"""Faults of a Redis Cluster that holds the queue: its nodes, and its slots on their way from one to another.

They begin only while the cluster is whole, for what a replica does not have yet nobody has promised to keep.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from forwarder.queue.partitions import configured
from tests.chaos.faults.kind import Fault, Kind
from tests.chaos.world import World
from tests.support.cluster import Cluster
from tests.support.servers import Server
from tests.support.waiting import eventually

HELD = "cluster"
PATIENCE_S = 20.0
"""For the cluster to be whole again, a fail-over and the copy of a whole node included."""


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
class HandedOver:
    """A replica takes over from its primary in good order, as before an upgrade."""

    pick: float

    def begin(self, world: World) -> str | None:
        """Tell it to."""
        cluster = _whole(world)
        if not cluster:
            return None
        primary = cluster.primary_of(_key(world, self.pick))
        replica = cluster.replica_of(primary)
        cluster.fail_over(replica)
        return f"primary on port {primary.port}, to {replica.port}"

    def end(self, world: World) -> None:
        """It stays so."""


@dataclass(frozen=True)
class SlotMoved:
    """All keys of a partition move to another node, one by one."""

    pick: float

    def begin(self, world: World) -> str | None:
        """Move them."""
        cluster = _whole(world)
        if not cluster:
            return None
        key = _key(world, self.pick)
        source = cluster.primary_of(key)
        target = cluster.another_than(source)
        cluster.move_slot(key, target)
        return f"{key} from port {source.port} to {target.port}"

    def end(self, world: World) -> None:
        """It stays so."""


def _whole(world: World) -> Cluster | None:
    """The cluster once it is whole; it is waited for, since a copy takes longer than a fault's patience."""
    cluster = world.cluster
    assert cluster, "only on a cluster"
    return cluster if eventually(lambda: _is_whole(cluster), PATIENCE_S) else None


def _is_whole(cluster: Cluster) -> bool:
    try:
        return cluster.is_whole
    except RedisError:
        return False


def _key(world: World, pick: float) -> str:
    partitions = configured(world.rig.settings, "default")
    return partitions[int(pick * len(partitions))].events


def _at(fault: Callable[[float], Fault]) -> Callable[[random.Random], Fault]:
    return lambda dice: fault(dice.random())


KINDS = (
    Kind("primary-kill", _at(NodeKilled), (3, 6), HELD),  # it is replaced after 1 s
    Kind("primary-restart", _at(NodeKilled), (0, 0.3), HELD),
    Kind("primary-freeze", _at(NodeFrozen), (0.3, 5), HELD),
    Kind("replica-kill", _at(lambda pick: NodeKilled(pick, replica=True)), (1, 4), HELD),
    Kind("primary-hand-over", _at(HandedOver), holds=HELD),
    Kind("slot-move", _at(SlotMoved), holds=HELD),
)
