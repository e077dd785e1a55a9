"""What appends are bound by (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caps:
    """What an append is bound by.

    Attributes:
        backlog_max_events: waiting events of a destination at which appends are refused.
        memory_max_percent: of the server's maxmemory, likewise.
        dedupe_ttl_s: how long an append can be repeated safely.
        partitions: by destination, over how many its events are spread; 1 when it is not named.
    """

    backlog_max_events: int = 10_000_000
    memory_max_percent: int = 90
    dedupe_ttl_s: int = 3_600
    partitions: Mapping[str, int] = field(default_factory=dict)

    def share(self, destination: str) -> int:
        """Waiting events of one partition at which it refuses appends."""
        return max(1, self.backlog_max_events // self.partitions.get(destination, 1))
