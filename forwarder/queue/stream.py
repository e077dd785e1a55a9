"""The events stream: append and read, each one round trip and atomic. `settlement` has its other end."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from forwarder.clock import now_ms
from forwarder.errors import QueueFull
from forwarder.feedback import Members
from forwarder.queue.accepted import Accepted, read_accepted
from forwarder.queue.caps import Caps
from forwarder.queue.codec import WIRE, UnreadableBody, codec_of
from forwarder.queue.connection import AsyncClient, Client
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.packing import HEAD
from forwarder.queue.scripts import Argument, Step

CHUNK_MAX_EVENTS: Final = 500
CHUNK_MAX_BYTES: Final = 262_144
"""Appends are coalesced up to this: array entries cost Redis and both ends a hundredth of what single ones cost."""

TRACEPARENTS_MAX_BYTES: Final = 32 * 56
"""Of an entry's field `traceparent`: 32 of them, with spaces between."""

_FIRST: Final = (0,)
_REPLAY_ID = re.compile(rb"[0-9a-f]{12}")
"""It becomes part of a key, and anybody can write it."""


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
    def counted(self) -> int:
        """The events that the append counted; 0 for a plain XADD."""
        return _integer(self.fields.get(b"events"), 0)

    @property
    def at_ms(self) -> int:
        """When the oldest of the events was first accepted; for a plain XADD, when it happened."""
        return _integer(self.fields.get(b"at"), 0) or _integer(self.id.partition(b"-")[0], 0)

    @property
    def accepted(self) -> Accepted:
        """When each of the events was first accepted."""
        return read_accepted(self.at_ms, self.fields.get(b"ats"))

    @property
    def source(self) -> bytes:
        """The producing service; empty when it did not say."""
        return self.fields.get(b"source", b"")[:200]

    @property
    def traceparent(self) -> bytes:
        """Of the spans in which the events were handed over (W3C Trace Context); anybody can write them."""
        return self.fields.get(b"traceparent", b"")[:TRACEPARENTS_MAX_BYTES]

    @property
    def traceparents(self) -> list[str]:
        """The same, one by one."""
        return self.traceparent.decode("ascii", "replace").split()

    @property
    def replays(self) -> int:
        """How often the events were replayed."""
        return _integer(self.fields.get(b"replays"), 0)

    @property
    def replay(self) -> str:
        """The id of the replay that brought the events back; empty when they were never dead, or it is no id."""
        replay = self.fields.get(b"replay")
        return replay.decode() if replay and _REPLAY_ID.fullmatch(replay) else ""

    @property
    def attempts(self) -> int:
        """Tries to send the events before they were put back."""
        return _integer(self.fields.get(b"attempts"), 0)

    @property
    def queued_ms(self) -> int:
        """When the events came onto the queue, for the last time by a producer or a replay."""
        return _integer(self.fields.get(b"queued"), 0) or _integer(self.id.partition(b"-")[0], 0)


Raw = Sequence[Any]
"""One stream entry as Redis sends it: its id, and the list of its fields' names and values in turn."""


def new_chunk_id(partitions: int = 1) -> str:
    """Names one append, so that it can be repeated after a lost reply and is stored once.

    It says into which of so many partitions, so that a retry meets its trace there, however many there are by then.
    """
    name = secrets.token_hex(12)
    return name if partitions == 1 else f"{name}.{secrets.randbelow(partitions)}"


def partition_of(chunk_id: str) -> int:
    """The partition that the id of an append names."""
    return int(chunk_id.partition(".")[2] or 0)


def append(
    keys: Keys,
    members: Members,
    *,
    chunk_id: str,
    source: str,
    caps: Caps,
    at_ms: int | None = None,
    doubtful: bool = False,
) -> Step[str]:
    """Append events as one entry; answers its id, also when the chunk had been stored before.

    Args:
        keys: of the partition.
        members: the events.
        chunk_id: names this append; the same for each try.
        source: the producing service; empty when it is not said.
        caps: what the append is bound by.
        at_ms: when the events were first accepted (ms since 1970); now, when not given.
        doubtful: they may have been stored so long ago that no trace is left; storing them counts as `ambiguous`.

    The step's answer raises:
        QueueFull: the backlog is at its cap, or the server's memory nearly is; nothing was stored.
    """
    body = members.joined if members.count == 1 else b"[" + members.joined + b"]"
    accepted_ms = now_ms() if at_ms is None else at_ms
    args: list[Argument] = [body, members.count, accepted_ms, source]
    args += [caps.share(keys.destination), caps.dedupe_ttl_s, caps.memory_max_percent, int(doubtful)]
    args.append(" ".join(members.traceparents))

    def read(reply: list[bytes]) -> str:
        if reply[0] == b"full":
            raise QueueFull(
                f"the backlog of {keys} has {int(reply[1]):,} events and FORWARDER_BACKLOG_MAX_EVENTS "
                f"{'allows it' if keys.partition else 'is'} {caps.share(keys.destination):,}: "
                f"{members.count} refused; add workers or see `forwarder status`"
            )
        if reply[0] == b"memory":
            raise QueueFull(
                f"Redis has {int(reply[1])} % of its maxmemory in use and FORWARDER_MEMORY_MAX_PERCENT is "
                f"{caps.memory_max_percent}: {members.count} refused; let the backlog drain, or give Redis more memory"
            )
        return reply[1].decode()

    step_keys = [keys.events, keys.ledger, keys.chunk(chunk_id), keys.memory]
    return Step("append", step_keys, args, read, bodies=_FIRST)


def ensure_group(keys: Keys) -> Step[bool]:
    """Create the stream's group when it is missing; it begins with the first entry there is."""
    return Step("group", [keys.events], [GROUP], bool)


def entry_of(raw: Raw, deliveries: int = 1) -> Entry:
    """An entry as it is looked at one by one; of a field that it has twice the last counts."""
    fields = raw[1]
    return Entry(raw[0], dict(zip(fields[::2], fields[1::2], strict=True)), deliveries)


def size_of(raw: Raw) -> int:
    """About how many bytes an entry has when it is unpacked; a packed one may have a whole append's."""
    names, values = raw[1][::2], raw[1][1::2]
    largest = len(values[0]) if names[0] == b"body" else max(map(len, values))
    return CHUNK_MAX_BYTES if values[0].startswith(HEAD) else largest


async def read(client: AsyncClient, keys: Keys, consumer: str, count: int, block_ms: int) -> list[Raw]:
    """New entries for this drain, at most `count`; waits for the first, about `block_ms` (more than 0)."""
    reply: Any = await client.xreadgroup(GROUP, consumer, {keys.events: ">"}, count=count, block=block_ms)
    if not reply:
        return []
    raws: list[Raw] = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))
    return raws


def opened(client: object, entry: Entry) -> Entry:
    """An entry whose body is as its producer wrote it; one of version 1 is that already.

    Args:
        client: which read it, and knows the forms.
        entry: as it was read.

    Raises:
        UnreadableBody: it is of a newer version, or its body stands in a form that cannot be read here.
        DamagedBody: nobody can read its body.
    """
    version = entry.fields.get(b"v")
    if version is None:
        return entry
    if _integer(version, WIRE + 1) > WIRE:
        shown = version[:20].decode("ascii", "replace")
        raise UnreadableBody(f"it is of version {shown} of the wire format, and this release reads {WIRE} and older")
    return replace(entry, fields={**entry.fields, b"body": codec_of(client).read(entry.body)})


def wait(client: Client, after: Mapping[str, bytes], block_ms: int) -> bool:
    """Wait for an entry behind these ids, by stream; whether one came."""
    return bool(client.xread(dict(after), count=1, block=block_ms))  # type: ignore[arg-type]


def _integer(digits: bytes | None, default: int) -> int:
    return int(digits) if digits and digits.isdigit() and len(digits) < 16 else default  # noqa: PLR2004 - fits 2**53
