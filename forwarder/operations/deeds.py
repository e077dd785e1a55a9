"""What operators did, as the trail tells it."""

import re
from typing import Final

from msgspec import Struct

from forwarder.errors import UsageError
from forwarder.operations.operator import Operator
from forwarder.queue import trail
from forwarder.queue.trail import Deed

SHOWN_MAX: Final = 500
_ID: Final = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)


class Recent(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How many of the newest; `before` is the id of the last one seen."""

    limit: int = 50
    before: str = ""


def deeds(operator: Operator, asked: Recent) -> list[Deed]:
    """The newest first.

    Raises:
        UsageError: so many are not listed, or `before` is no id.
    """
    if not 1 <= asked.limit <= SHOWN_MAX:
        raise UsageError(f"limit {asked.limit}: from 1 to {SHOWN_MAX} are listed")
    if asked.before and not _ID.fullmatch(asked.before):
        raise UsageError(f"before {asked.before[:40]!r} is not an id of the trail")
    return trail.newest(operator.client, operator.trail_keys, asked.limit, asked.before)
