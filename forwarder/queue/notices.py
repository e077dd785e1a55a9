"""What operators are told of by log and webhook, and the outbox of what the webhook does not have yet."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Argument, Step

KINDS: Final = ("dead_letters", "paused", "resumed", "backlog")


class Notice(Struct, frozen=True):
    """Something to tell.

    Attributes:
        id: the same for each try to post it.
        kind: one of KINDS.
        destination: of which it is told.
        at: when it was noticed (ms since 1970).
        facts: numbers and words.
        attempts: to post it so far.
        due: when it is to be posted (ms).
    """

    id: str
    kind: str
    destination: str
    at: int
    facts: dict[str, Any]
    attempts: int = 0
    due: int = 0


_decode = msgspec.json.Decoder(Notice, strict=False).decode


def notice(
    keys: Keys, *, paused: bool, reason: str, quiet_ms: int, backlog_age_ms: int, posted: bool
) -> Step[list[Notice]]:
    """Learn what there is to tell; each notice is answered to one caller of the whole fleet.

    Args:
        keys: of the destination.
        paused: whether nothing can be sent to it now.
        reason: why.
        quiet_ms: without dead letters, after which new ones are told.
        backlog_age_ms: of the oldest entry, at which it is told.
        posted: whether notices go to the outbox too.
    """
    args: list[Argument] = [keys.destination, int(paused), reason, quiet_ms, backlog_age_ms, int(posted)]
    step_keys = [keys.notices, keys.ledger, keys.events, keys.outbox]
    return Step("notice", step_keys, args, lambda reply: [_decode(one) for one in reply])


def outbox(client: Client, keys: Keys) -> list[Notice]:
    """What the webhook does not have yet, the oldest first."""
    raw: Any = client.hvals(keys.outbox)
    return sorted((_decode(one) for one in raw), key=lambda one: one.at)


def posted(client: Client, keys: Keys, done: Notice) -> None:
    """It has arrived, or was given up."""
    client.hdel(keys.outbox, done.id)


def put_off(client: Client, keys: Keys, failed: Notice) -> None:
    """It has not; `due` says when to try again."""
    client.hset(keys.outbox, failed.id, msgspec.json.encode(failed))
