"""Every kind of fault that a chaos run injects."""

from collections.abc import Mapping

from tests.chaos.faults import cluster, queue, upstream, workers
from tests.chaos.faults.kind import Kind

SWITCHED_OFF: Mapping[str, str] = {}
"""Kinds that are not injected for now, by name, each with the reason; empty when all is well."""

ALL: Mapping[str, Kind] = {kind.name: kind for kind in (*workers.KINDS, *queue.KINDS, *upstream.KINDS, *cluster.KINDS)}
ON_CLUSTER: tuple[Kind, ...] = tuple(kind for name, kind in ALL.items() if name not in SWITCHED_OFF)
"""With the queue on a cluster; what hits the queue's server elsewhere hits there the one that RQ lives on."""
KINDS: tuple[Kind, ...] = tuple(kind for kind in ON_CLUSTER if kind not in cluster.KINDS)
"""With the queue on one server."""
