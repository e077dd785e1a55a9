"""Events that were dropped before they came to the queue: counted in the ledger, outside its sums."""

from collections.abc import Mapping

from forwarder.queue.caps import Caps
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Argument, Step


def count_drops(keys: Keys, drops: Mapping[str, int], *, report_id: str, caps: Caps) -> Step[bool]:
    """Add to `dropped:REASON`; answers whether that had not been done before.

    Args:
        keys: of the partition.
        drops: events by reason.
        report_id: names this count, so that it can be repeated after a lost reply.
        caps: how long it can be.
    """
    pairs: list[Argument] = [word for reason, events in drops.items() for word in (reason, events)]
    return Step("drops", [keys.ledger, keys.chunk(report_id)], [caps.dedupe_ttl_s, *pairs], bool)
