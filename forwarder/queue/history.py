"""The last hour of a destination: samples of its ledger, some ten seconds apart, written by whoever looks in first.

Workers take them in their idle turns and drains, and a console while somebody looks at it; the script that writes one
passes over a caller who comes too early, so they need not know of each other.
"""

from collections.abc import Sequence
from itertools import groupby
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


def added_up(histories: Sequence[Sequence[Sample]]) -> list[Sample]:
    """The history of a destination from those of its partitions, a sample per EVERY_MS at its latest moment (pure).

    A partition without a sample in such a span stands there as it stood before; one that had none yet, as it stood
    first, so that its sums are no gain of the destination.
    """
    known = {number: one[0] for number, one in enumerate(histories) if one}
    coming = [(one.at_ms, number, one) for number, each in enumerate(histories) for one in each]
    coming.sort(key=lambda come: come[:2])
    found: list[Sample] = []
    for _, span in groupby(coming, lambda come: come[0] // EVERY_MS):
        together = list(span)
        known.update({number: one for _, number, one in together})
        found.append(_sum(together[-1][0], list(known.values())))
    return found


def _sum(at_ms: int, samples: Sequence[Sample]) -> Sample:
    """Counts add up; the oldest entry is the oldest of all."""
    return Sample(
        at_ms,
        accepted=sum(one.accepted for one in samples),
        replayed=sum(one.replayed for one in samples),
        delivered=sum(one.delivered for one in samples),
        dead_lettered=sum(one.dead_lettered for one in samples),
        pending=sum(one.pending for one in samples),
        entries=sum(one.entries for one in samples),
        dead=sum(one.dead for one in samples),
        age=max(one.age for one in samples),
    )


def samples_of(reply: Any) -> list[Sample]:  # noqa: ANN401 - redis-py types a reply as all that any client could get
    """The samples of a range of the stream."""
    return [_decoder.decode(fields[b"sample"]) for _, fields in reply]
