"""Counters of the ledger that go with no entry: what never came to the queue, what a drain has tried."""

from collections.abc import Mapping
from typing import Final

from forwarder.queue.caps import Caps
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Argument, Step

TRACE_S: Final = 3_600
"""How long a count is known; whoever lost the reply tries again within seconds."""


def count_tally(keys: Keys, tally: Mapping[str, int], *, name: str = "", trace_s: int = TRACE_S) -> Step[bool]:
    """Add to counters; answers whether that had not been done before.

    Args:
        keys: of the partition.
        tally: what is added, by counter.
        name: of this count, so that it can be repeated after a lost reply; without, it may be counted twice.
        trace_s: how long the name is known.
    """
    pairs: list[Argument] = [word for counter, added in tally.items() for word in (counter, added)]
    trace = [keys.chunk(name)] if name else []
    return Step("tally", [keys.ledger, *trace], [trace_s, *pairs], bool)


def count_drops(keys: Keys, drops: Mapping[str, int], *, report_id: str, caps: Caps) -> Step[bool]:
    """Add to `dropped:REASON`; answers whether that had not been done before.

    Args:
        keys: of the partition.
        drops: events by reason.
        report_id: names this count.
        caps: how long it can be repeated.
    """
    dropped = {f"dropped:{reason}": events for reason, events in drops.items()}
    return count_tally(keys, dropped, name=report_id, trace_s=caps.dedupe_ttl_s)


def count_refusals(keys: Keys, requests: Mapping[int, int]) -> Step[bool]:
    """Add requests to `ingest_refused:STATUS`, by the status of the answer; repeated, it is counted twice."""
    return count_tally(keys, {f"ingest_refused:{status}": count for status, count in requests.items()})
