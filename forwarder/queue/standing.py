"""How a destination stands, for who watches it: its books, what waits and is under way, its pause and its flow.

Everything is read with commands whose cost does not grow with the backlog.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

from forwarder.queue.connection import AsyncClient
from forwarder.queue.flow import Flow, decode
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.ledger import Snapshot, snapshot, total
from forwarder.queue.pause import Pause, read_pause
from forwarder.queue.rq_keys import LISTENING, SILENT_AFTER_S, seconds, text
from forwarder.queue.scripts import Step, run_async


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds.

    Attributes:
        bytes: of Redis's memory that the events stream takes, estimated.
        held: entries that a drain has read and not settled.
        sending: batches that are being sent.
    """

    bytes: int = 0
    held: int = 0
    sending: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a destination stands.

    Attributes:
        books: of its queue.
        pause: in force, if any.
        flow: what the fleet has learned of it.
        extent: of what waits and is under way.
    """

    books: Snapshot = field(default_factory=Snapshot)
    pause: Pause | None = None
    flow: Flow = field(default_factory=Flow)
    extent: Extent = field(default_factory=Extent)


def extent(keys: Keys) -> Step[Extent]:
    """What a partition holds at one moment."""
    return Step("standing", [keys.events, keys.batches], [GROUP], lambda reply: Extent(*map(int, reply)))


async def read_standing(client: AsyncClient, partitions: Sequence[Keys]) -> Standing:
    """How a destination stands: two short commands, and two for each of its partitions."""
    keys = partitions[0]
    books = total([await run_async(client, snapshot(one)) for one in partitions])
    holds = [await run_async(client, extent(one)) for one in partitions]
    held = Extent(sum(one.bytes for one in holds), sum(one.held for one in holds), sum(one.sending for one in holds))
    pause: Any = await client.hgetall(keys.pause)
    flow: Any = await client.get(keys.flow)
    return Standing(books, read_pause(pause), decode(flow or b""), held)


async def count_workers(control: AsyncClient, now_s: float) -> int | None:
    """The RQ workers that live; None when this user may not ask.

    Args:
        control: a client of the server where RQ lives.
        now_s: the time (s since 1970).
    """
    try:
        names: Any = await control.smembers(LISTENING)
        async with control.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hget(name, "last_heartbeat")
            beats: list[bytes | None] = await pipeline.execute()
    except (NoPermissionError, ResponseError):
        return None
    return sum(now_s - (seconds(text(beat or b"")) or 0.0) < SILENT_AFTER_S for beat in beats)
