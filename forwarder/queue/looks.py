"""One look at all destinations, in two round trips: for pages that are looked at all the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forwarder.queue.connection import Client
from forwarder.queue.flow import Flow, decode
from forwarder.queue.history import Sample, added_up, samples_of
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Snapshot, snapshot, total
from forwarder.queue.pause import Pause, read_pause
from forwarder.queue.scripts import run_all


@dataclass(frozen=True, slots=True)
class Look:
    """How a partition stands, or a destination with all of them.

    Attributes:
        books: its ledger and streams.
        pause: in force, if any.
        flow: what the fleet has learned of it.
        in_flight: batches that are being sent, or wait to be sent again.
        samples: its history since the moment that was asked for.
    """

    books: Snapshot
    pause: Pause | None
    flow: Flow
    in_flight: int
    samples: Sequence[Sample]


def all_in_one(partitions: Sequence[Look]) -> Look:
    """How a destination stands, from its partitions, at least one; their pause and flow are the same (pure)."""
    first = partitions[0]
    return Look(
        total([one.books for one in partitions]),
        first.pause,
        first.flow,
        sum(one.in_flight for one in partitions),
        added_up([one.samples for one in partitions]),
    )


def looks(client: Client, since_ms: Mapping[Keys, int]) -> dict[Keys, Look]:
    """How each partition stands.

    Args:
        client: of the queue.
        since_ms: by partition, from which moment on the history is wanted (ms since 1970).

    Raises:
        RedisError: Redis does not answer, or refuses one of the looks.
    """
    books: list[Snapshot] = []
    for one in run_all(client, [snapshot(keys) for keys in since_ms]):
        if isinstance(one, Exception):
            raise one
        books.append(one)
    with client.pipeline(transaction=False) as pipeline:
        for keys, since in since_ms.items():
            pipeline.hgetall(keys.pause)
            pipeline.get(keys.flow)
            pipeline.hkeys(keys.batches)
            pipeline.xrange(keys.history, f"{max(0, since)}-0", "+")
        replies: list[Any] = pipeline.execute()
    each = zip(since_ms, books, replies[::4], replies[1::4], replies[2::4], replies[3::4], strict=True)
    return {
        keys: Look(own, read_pause(pause), decode(flow or b""), _in_flight(batches), samples_of(history))
        for keys, own, pause, flow, batches, history in each
    }


def _in_flight(fields: Sequence[bytes]) -> int:
    """Batches; a field that ends with a slash stands for a drain that has ended."""
    return sum(not field.endswith(b"/") for field in fields)
