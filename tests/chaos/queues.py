"""Where the queue of a run is: on one server, or on a Redis Cluster beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster import Cluster
from tests.support.rig import DurableRig, Rig
from tests.support.servers import oldest_binary

PARTITIONS = 3
ON_CLUSTER = {"FORWARDER_PARTITIONS": str(PARTITIONS), "FORWARDER_DURABILITY": "replica"}
NODE_OPTIONS = {"appendfsync": "always"}
"""So that a node which is back before it was replaced has what it answered, as the one server has."""


@contextmanager
def queue_and_upstream(
    folder: Path, settings: Mapping[str, str], *, on_cluster: bool
) -> Iterator[tuple[Rig, Cluster | None]]:
    """Start them.

    Args:
        folder: for all files.
        settings: of every process, FORWARDER_*.
        on_cluster: whether the one server has RQ alone, and the queue is on six nodes, in some partitions.

    Yields:
        the rig, and the cluster, if there is one.
    """
    if not on_cluster:
        with DurableRig(folder, **settings) as rig:
            yield rig, None
        return
    with (
        DurableRig(folder, **settings, **ON_CLUSTER) as rig,
        Cluster(oldest_binary(), folder / "nodes", NODE_OPTIONS) as cluster,
    ):
        rig.variables |= {"FORWARDER_REDIS_URL": cluster.url, "FORWARDER_CONTROL_URL": rig.url}
        rig.connect()
        yield rig, cluster
