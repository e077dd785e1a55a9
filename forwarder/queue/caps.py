"""What appends are bound by (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caps:
    """What an append is bound by.

    Attributes:
        backlog_max_events: waiting events at which appends are refused.
        memory_max_percent: of the server's maxmemory, likewise.
        dedupe_ttl_s: how long an append can be repeated safely.
    """

    backlog_max_events: int = 10_000_000
    memory_max_percent: int = 90
    dedupe_ttl_s: int = 3_600
