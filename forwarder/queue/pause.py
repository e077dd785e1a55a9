"""The pause: a destination to which nobody sends for now, why, and until when; one for the whole fleet."""

from dataclasses import dataclass
from typing import Any

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step


@dataclass(frozen=True, slots=True)
class Pause:
    """Why and until when nobody sends.

    Attributes:
        reason: one line for the operator, with the mend.
        since_ms: when it began (ms since 1970).
        until_ms: when it ends by itself; None when it was set by hand, until `forwarder resume`.
        kind: `settings` when a mend of our settings may end it, `upstream` when only the upstream can, else `hand`.
    """

    reason: str
    since_ms: int
    until_ms: int | None
    kind: str = "hand"


def set_pause(keys: Keys, reason: str, seconds: float | None) -> Step[bool]:
    """Pause the destination by hand, in place of a pause that is in force; drains set theirs with the flow.

    Args:
        keys: of the destination.
        reason: one line for the operator.
        seconds: how long; None until it is ended by hand.
    """
    length_ms: str | int = "" if seconds is None else max(1, round(seconds * 1000))
    return Step("pause", [keys.pause], [reason, length_ms], bool)


def end_pause(keys: Keys, kind: str = "") -> Step[bool]:
    """Resume; False when the destination was not paused.

    Args:
        keys: of the destination.
        kind: end only a pause of this kind; empty for any.
    """
    return Step("resume", [keys.pause], [kind], bool)


def get_pause(client: Client, keys: Keys) -> Pause | None:
    """The pause in force, if any."""
    return read_pause(client.hgetall(keys.pause))


def read_pause(fields: Any) -> Pause | None:  # noqa: ANN401 - redis-py types a reply as all that any client could get
    """The pause that a hash holds; None for an empty one."""
    if not fields:
        return None
    until = fields.get(b"until", b"")
    reason = fields.get(b"reason", b"no reason given").decode("utf-8", "replace")
    kind = fields.get(b"kind", b"hand").decode("utf-8", "replace")
    return Pause(reason, int(fields.get(b"since", 0)), int(until) if until else None, kind)
