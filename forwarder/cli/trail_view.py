"""What `trail` shows."""

import msgspec

from forwarder.cli.output import clipped, json_out, table_out
from forwarder.cli.reach import reached
from forwarder.operations.deeds import Recent
from forwarder.operations.table import TRAIL
from forwarder.queue.trail import Deed
from forwarder.times import shown_moment


def show(*, limit: int, as_json: bool) -> None:
    """What operators did, the newest first."""
    with reached() as reach:
        deeds = reach.do(TRAIL, Recent(limit=limit))
    if as_json:
        json_out(msgspec.to_builtins(deeds))
        return
    headers = ["when", "who", "via", "what", "destination", "selection", "detail", "result"]
    table_out(headers, [_row(deed) for deed in deeds])


def _row(deed: Deed) -> list[object]:
    texts = clipped(deed.selection), clipped(deed.detail), clipped(deed.result)
    return [shown_moment(deed.at_ms), deed.who, deed.via, deed.action, deed.destination, *texts]
