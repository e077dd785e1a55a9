"""What events cost Redis while they wait: the stream's memory, all of its nodes looked at, per event."""

from collections.abc import Iterator
from typing import Final

from forwarder import FeedbackClient
from forwarder.feedback import codec
from forwarder.queue.connection import connect
from forwarder.queue.keys import Keys
from forwarder.queue.packing import Compression
from tests.benchmarks.events import written
from tests.benchmarks.finding import Finding
from tests.benchmarks.queue import queue

EVENTS: Final = 100_000
BY_JSON: Final = 1.08
PACKED_BYTES: Final = 40.0


def bytes_per_event(compression: Compression) -> float:
    """Of a queued event, as our clients append it: arrays of 500."""
    with queue(queue_compression=compression) as settings, connect(settings) as client:
        with FeedbackClient(mode="direct", source="bench", settings=settings) as producer:
            producer.send_many(written(EVENTS))
        return int(client.memory_usage(Keys().events, samples=0) or 0) / EVENTS


def findings() -> Iterator[Finding]:
    """Plain and packed."""
    json_bytes = sum(len(codec().encode(event)) for event in written(EVENTS)) / EVENTS
    plain, packed = bytes_per_event("none"), bytes_per_event("zstd")
    most = BY_JSON * json_bytes
    case = f"Redis, per queued event of {json_bytes:.0f} bytes"
    yield Finding(
        case, f"≤ {BY_JSON} x its JSON", f"{plain:.1f} bytes, {plain / json_bytes:.3f} x its JSON", plain <= most
    )
    yield Finding(f"{case}, zstd", f"≤ {PACKED_BYTES:g} bytes", f"{packed:.1f} bytes", packed <= PACKED_BYTES)
