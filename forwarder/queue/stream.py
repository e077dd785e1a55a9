"""The events stream: append, read, claim, settle, recut; each one round trip, and each atomic.

`read` is Redis's own XREADGROUP; the others are scripts (scripts/*.lua), because they count in the ledger while they
move entries.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.exceptions import ResponseError

from forwarder.errors import QueueFull
from forwarder.feedback import Members
from forwarder.queue.connection import AsyncClient
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import Argument, Step

CHUNK_MAX_EVENTS: Final = 500
CHUNK_MAX_BYTES: Final = 262_144
"""Appends are coalesced up to this: array entries cost Redis and both ends a hundredth of what single ones cost."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry as it was read.

    Attributes:
        id: its stream id; the first part is the time of the XADD in milliseconds.
        fields: what the producer wrote; see `keys`.
        deliveries: how often it has been handed to a drain.
    """

    id: bytes
    fields: dict[bytes, bytes]
    deliveries: int = 1

    @property
    def body(self) -> bytes:
        """UTF-8 JSON, one event or an array, unless the producer wrote something else; empty when it wrote none."""
        return self.fields.get(b"body", b"")

    @property
    def claimed(self) -> int:
        """The events that the append counted; 0 for a plain XADD."""
        return _integer(self.fields.get(b"events"), 0)

    @property
    def at_ms(self) -> int:
        """When the events were first accepted; for a plain XADD, when it happened."""
        return _integer(self.fields.get(b"at"), 0) or _integer(self.id.partition(b"-")[0], 0)

    @property
    def source(self) -> bytes:
        """The producing service; empty when it did not say."""
        return self.fields.get(b"source", b"")[:200]

    @property
    def replays(self) -> int:
        """How often the events were replayed."""
        return _integer(self.fields.get(b"replays"), 0)


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settled entry: how many events its append counted, and how many it really had."""

    id: bytes
    claimed: int
    actual: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settle did.

    Attributes:
        entries: settled by it.
        lost_events: of entries that somebody else had settled before; they may have been delivered twice.
    """

    entries: int
    lost_events: int


@dataclass(frozen=True, slots=True)
class Recut:
    """An entry that cannot travel as it is: the pieces that can, and the letters for what is invalid."""

    entry: Entry
    pieces: list[Members] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def events(self) -> int:
        """The events that there really are; what is not even JSON counts as one."""
        return sum(piece.count for piece in self.pieces) + len(self.letters)


def new_chunk_id() -> str:
    """Names one append, so that it can be repeated after a lost reply and is stored once."""
    return secrets.token_hex(12)


def append(
    keys: Keys, members: Members, *, chunk_id: str, source: str, backlog_max_events: int, dedupe_ttl_s: int
) -> Step[str]:
    """Append events as one entry; answers its id, also when the chunk had been stored before.

    The step's answer raises:
        QueueFull: the backlog is at its cap; nothing was stored.
    """
    body = members.joined if members.count == 1 else b"[" + members.joined + b"]"
    at_ms = time.time_ns() // 1_000_000
    args: list[Argument] = [body, members.count, at_ms, source, backlog_max_events, dedupe_ttl_s]

    def read(reply: list[bytes]) -> str:
        if reply[0] == b"full":
            raise QueueFull(
                f"the backlog of {keys.destination} has {int(reply[1]):,} events and FORWARDER_BACKLOG_MAX_EVENTS is "
                f"{backlog_max_events:,}: {members.count} refused; add workers or see `forwarder status`"
            )
        return reply[1].decode()

    return Step("append", [keys.events, keys.ledger, keys.chunk(chunk_id)], args, read)


async def ensure_group(client: AsyncClient, keys: Keys) -> None:
    """Create the stream's group when it is missing; it begins with the first entry there is."""
    try:
        await client.xgroup_create(keys.events, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


async def read(client: AsyncClient, keys: Keys, consumer: str, count: int, block_ms: int) -> list[Entry]:
    """New entries for this drain, at most `count`; waits up to `block_ms` for the first (0: does not wait)."""
    reply: Any = await client.xreadgroup(GROUP, consumer, {keys.events: ">"}, count=count, block=block_ms or None)
    if not reply:
        return []
    pairs = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
    return [Entry(entry_id, fields) for entry_id, fields in pairs]


def claim(keys: Keys, consumer: str, max_drains: int, count: int) -> Step[list[Entry]]:
    """Take over what dead drains left pending."""
    return Step("claim", [keys.events, *keys.leases(max_drains)], [GROUP, consumer, count], _read_claimed)


def _read_claimed(reply: list[Any]) -> list[Entry]:
    return [Entry(entry_id, _record(flat), int(times)) for entry_id, flat, times in reply]


def settle(
    keys: Keys, entries: Sequence[Settlement], letters: Sequence[tuple[int, DeadLetter]], tally: dict[str, int]
) -> Step[Settled]:
    """Acknowledge, delete, bury and count, in one step.

    Args:
        keys: the partition.
        entries: what is done with.
        letters: the events that were refused, each with the index of its entry; all others were delivered.
        tally: further counters and their increments.
    """
    args: list[Argument] = [GROUP, len(entries)]
    args.append(",".join([str(entry.claimed) for entry in entries]))
    args.append(",".join([str(entry.actual) for entry in entries]))
    args += [len(tally) * 2, len(letters)]
    args += [entry.id for entry in entries]
    for name, increment in tally.items():
        args += [name, increment]
    for index, letter in letters:
        args += [index + 1, *letter.values()]
    return Step("settle", [keys.events, keys.ledger, keys.dead], args, lambda reply: Settled(*reply))


def recut(keys: Keys, cut: Recut) -> Step[bool]:
    """Replace an entry by smaller ones, and bury its invalid events; False when somebody else settled it."""
    entry = cut.entry
    args: list[Argument] = [GROUP, entry.id, entry.claimed, cut.events, entry.at_ms, entry.source, entry.replays]
    args += [len(cut.pieces), len(cut.letters)]
    for piece in cut.pieces:
        args += [piece.count, b"[" + piece.joined + b"]"]
    for letter in cut.letters:
        args += letter.values()
    return Step("recut", [keys.events, keys.ledger, keys.dead], args, bool)


def _record(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _integer(digits: bytes | None, default: int) -> int:
    return int(digits) if digits and digits.isdigit() and len(digits) < 16 else default  # noqa: PLR2004 - fits 2**53
