"""Who holds what of a partition: drain slots, and entries that were handed out and not settled yet."""

from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from forwarder.queue.connection import Client
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.lease import PROMISED


@dataclass(frozen=True, slots=True)
class Lease:
    """A drain slot that is taken.

    Attributes:
        slot: its number.
        holder: the drain's name, or `promised`.
        left_s: its life; None when it has no end.
        silent_s: since the drain read last; None when it never did.
    """

    slot: int
    holder: str
    left_s: float | None
    silent_s: float | None


@dataclass(frozen=True, slots=True)
class Pending:
    """The oldest entry that was handed out and is not settled.

    Attributes:
        entry: its id.
        holder: the drain.
        held: whether a lease says that this drain lives.
        idle_s: since it was handed out.
        deliveries: how often it was.
        count: of all such entries.
    """

    entry: str
    holder: str
    held: bool
    idle_s: float
    deliveries: int
    count: int


@dataclass(frozen=True, slots=True)
class Holding:
    """All that is held of a partition."""

    leases: tuple[Lease, ...] = ()
    pending: Pending | None = None


def read_holding(client: Client, keys: Keys) -> Holding:
    """Look; nothing is held of a stream that does not exist."""
    silent = _silent(client, keys)
    leases = []
    tokens: Any = client.mget(keys.leases)
    for slot, token in enumerate(tokens):
        if token is not None:
            holder, left_ms = token.decode("utf-8", "replace"), int(client.pttl(keys.lease(slot)))
            left_s = None if left_ms == -1 else max(0, left_ms) / 1000
            leases.append(Lease(slot, holder, left_s, silent.get(holder)))
    return Holding(tuple(leases), _pending(client, keys, {one.holder for one in leases} - {PROMISED}))


def _silent(client: Client, keys: Keys) -> dict[str, float]:
    """Seconds since each drain asked for entries."""
    try:
        consumers: Any = client.xinfo_consumers(keys.events, GROUP)
    except ResponseError:
        return {}  # no stream, or no group yet
    return {one["name"].decode("utf-8", "replace"): one["idle"] / 1000 for one in consumers}


def _pending(client: Client, keys: Keys, alive: set[str]) -> Pending | None:
    try:
        summary: Any = client.xpending(keys.events, GROUP)
        page: Any = client.xpending_range(keys.events, GROUP, "-", "+", 1)
    except ResponseError:
        return None
    if not page:
        return None
    first, holder = page[0], page[0]["consumer"].decode("utf-8", "replace")
    return Pending(
        entry=first["message_id"].decode(),
        holder=holder,
        held=holder in alive,
        idle_s=first["time_since_delivered"] / 1000,
        deliveries=first["times_delivered"],
        count=summary["pending"],
    )


def stream_bytes(client: Client, keys: Keys) -> int:
    """What the events stream takes in memory, estimated by the server; 0 when we may not ask."""
    try:
        size: Any = client.memory_usage(keys.events)
    except ResponseError:
        return 0
    return int(size or 0)
