"""Requests that the ingest refused: counted in the ledger, outside its sums, for they never became events."""

from collections.abc import Mapping

from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Argument, Step


def count_refusals(keys: Keys, requests: Mapping[int, int]) -> Step[bool]:
    """Add to `ingest_refused:STATUS`. A count that is repeated after a lost reply may be counted twice.

    Args:
        keys: of the partition.
        requests: by the status of the answer.
    """
    pairs: list[Argument] = [word for status, count in requests.items() for word in (status, count)]
    return Step("refusals", [keys.ledger], pairs, bool)
