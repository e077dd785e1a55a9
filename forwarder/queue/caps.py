"""What appends are bound by, and how they are stored (pure)."""

from dataclasses import dataclass

from forwarder.queue.packing import Compression


@dataclass(frozen=True, slots=True)
class Caps:
    """What an append is bound by, and how it is stored.

    Attributes:
        backlog_max_events: waiting events at which appends are refused.
        memory_max_percent: of the server's maxmemory, likewise.
        dedupe_ttl_s: how long an append can be repeated safely.
        compression: of its body on the queue.
    """

    backlog_max_events: int = 10_000_000
    memory_max_percent: int = 90
    dedupe_ttl_s: int = 3_600
    compression: Compression = "none"
