"""Who may drain: one lease per drain slot, held by a token that is also the drain's name in the consumer group.

Whoever finds entries waiting and a slot free promises the slot (`wake`) and enqueues a drain; the drain that starts
first takes the lease with a token of its own and keeps it alive. When its process dies the lease runs out, and so does
a promise for which no drain came: the next wake begins anew.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import Step

PROMISED: Final = "promised"
"""The value of a lease for which a drain is awaited."""
PROMISE_TTL_S: Final = 5.0
"""Longest life of a promise, so that a job that RQ lost is missed within seconds.

A job may wait longer for a busy worker. That is safe: the drain that comes takes the slot whether it is promised or
free, and a second one, enqueued meanwhile, finds the lease taken and ends.
"""


def new_token() -> str:
    """A name for one drain that no other will ever have."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Woken:
    """What a wake found.

    Attributes:
        slot: the slot that was promised to a new drain; None when there is no work or no slot free.
        first_taken: whether the first of the slots is taken (now).
        newest: the newest id of the stream, from which to wait for more.
    """

    slot: int | None
    first_taken: bool
    newest: bytes


def wake(keys: Keys, slots: Sequence[int], ttl_s: float, *, behind_ms: int = 0) -> Step[Woken]:
    """Promise the first free slot to a new drain, when there is work for it.

    Args:
        keys: the partition.
        slots: those that may be taken.
        ttl_s: life of a lease; a promise lives as long, but no longer than PROMISE_TTL_S.
        behind_ms: 0: any entry on the stream is work; else only one that nobody has read for so long.
    """

    def read(reply: list[Any]) -> Woken:
        index, taken, newest = reply
        return Woken(slots[index] if index >= 0 else None, bool(taken), newest)

    leases = [keys.lease(slot) for slot in slots]
    return Step("wake", [keys.events, *leases], [_ms(min(ttl_s, PROMISE_TTL_S)), GROUP, behind_ms], read)


def keep(keys: Keys, slot: int, token: str, ttl_s: float) -> Step[bool]:
    """Prolong the lease; False when another drain holds it."""
    return Step("keep_lease", [keys.lease(slot)], [token, _ms(ttl_s)], bool)


def leave(keys: Keys, slot: int, token: str, *, in_order: bool = True) -> Step[bool]:
    """Give the lease back; the step's answer is whether it was still ours.

    Args:
        keys: the partition.
        slot: the lease.
        token: its value.
        in_order: nothing that is still pending can have arrived without being counted; else the next drain takes over
            as from one that was killed.
    """
    return Step("leave", [keys.lease(slot), keys.events, keys.batches], [token, GROUP, int(in_order)], bool)


def take_back(keys: Keys, slot: int) -> Step[bool]:
    """Take a promise back for which no drain will come."""
    return leave(keys, slot, PROMISED)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
