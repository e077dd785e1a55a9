"""Every kind of fault that a chaos run injects."""

from collections.abc import Mapping

from tests.chaos.faults import queue, upstream, workers
from tests.chaos.faults.kind import Kind

SWITCHED_OFF: Mapping[str, str] = {}
"""Kinds that are not injected for now, by name, each with the reason; empty when all is well."""

ALL: Mapping[str, Kind] = {kind.name: kind for kind in (*workers.KINDS, *queue.KINDS, *upstream.KINDS)}
KINDS: tuple[Kind, ...] = tuple(kind for name, kind in ALL.items() if name not in SWITCHED_OFF)
