"""The last hour of a destination: samples of its ledger, some ten seconds apart, written by whoever looks in first.

Workers take them in their idle turns and drains, and a console while somebody looks at it; the script that writes one
passes over a caller who comes too early, so they need not know of each other.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step

EVERY_MS: Final = 10_000
KEPT: Final = 400
"""An hour and some minutes; less when nobody comes late, never more."""


class Sample(Struct, frozen=True, array_like=True, gc=False):
    """How a destination stood; kept as a JSON array in the order of the fields, which is quickly read.

    Attributes:
        at_ms: when (ms since 1970).
        accepted: ever, in events, as are the next three.
        replayed: moved back onto the queue.
        delivered: taken by the upstream.
        dead_lettered: refused for good.
        pending: waiting then, in events.
        entries: waiting then, in entries.
        dead: dead letters then.
        age: how long the oldest entry had waited (ms).
    """

    at_ms: int
    accepted: int = 0
    replayed: int = 0
    delivered: int = 0
    dead_lettered: int = 0
    pending: int = 0
    entries: int = 0
    dead: int = 0
    age: int = 0


_decoder = msgspec.json.Decoder(Sample)


def sample(keys: Keys) -> Step[bool]:
    """Take a sample; False when there is a younger one than EVERY_MS."""
    step_keys = [keys.history, keys.ledger, keys.events, keys.dead]
    return Step("sample", step_keys, [EVERY_MS, KEPT], bool)


def read_history(client: Client, keys: Keys, since_ms: int) -> list[Sample]:
    """The samples taken then or later, the oldest first."""
    return samples_of(client.xrange(keys.history, f"{max(0, since_ms)}-0", "+"))


def samples_of(reply: Any) -> list[Sample]:  # noqa: ANN401 - redis-py types a reply as all that any client could get
    """The samples of a range of the stream."""
    return [_decoder.decode(fields[b"sample"]) for _, fields in reply]
