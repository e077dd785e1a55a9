"""The pages of a replay: letters that move back onto the queue, or over to another destination's."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from forwarder.queue.accepted import accepted
from forwarder.queue.codec import PLAIN, BodyCodec
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.replays import LIFE_MS, Record
from forwarder.queue.scripts import Argument, Step


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that return in one entry.

    Attributes:
        source: the producing service.
        replays: this one included.
        letters: as they are to return.
    """

    source: bytes
    replays: int
    letters: Sequence[DeadLetter]

    def values(self) -> list[Argument]:
        """What the scripts take first of a group: letters, at (ms), ats, source and replays."""
        times = accepted([letter.at_ms for letter in self.letters])
        return [len(self.letters), times.at_ms, times.ats, self.source, self.replays]

    def apart(self) -> list[Self]:
        """Each letter by itself."""
        return [replace(self, letters=[letter]) for letter in self.letters]

    @property
    def ids(self) -> str:
        """The letters' ids."""
        return ",".join([letter.id or "" for letter in self.letters])


@dataclass(frozen=True, slots=True)
class Page:
    """One step of a replay.

    Attributes:
        before: the cursor before it.
        cursor: behind it.
        groups: what moves.
        seen, matched, kept, spent: letters, as in `Record`.
        examples: the first of the kept, JSON; empty when they are as before.
        witness: as of before the letters were read, see `Turned`; empty when it was not known.
    """

    before: str
    cursor: str
    groups: Sequence[Group] = ()
    seen: int = 0
    matched: int = 0
    kept: int = 0
    spent: int = 0
    examples: str = ""
    witness: str = ""

    @property
    def events(self) -> int:
        """How many letters move."""
        return sum(len(group.letters) for group in self.groups)

    @property
    def ids(self) -> str:
        """Their ids."""
        return ",".join([group.ids for group in self.groups])


@dataclass(frozen=True, slots=True)
class Turned:
    """What a page did.

    Attributes:
        what: `moved`, `full`, `stale` (the cursor is elsewhere), `lost` (somebody else runs it), or the state of one
            that is over.
        progress: the fields of the record that a page changes.
        witness: the same as long as nobody but this replay takes letters away; a page that was read since then moves as
            a whole. Empty for none.
    """

    what: str
    progress: dict[str, Any]
    witness: str


def move(
    keys: Keys, record: Record, page: Page, *, ttl_ms: int, backlog_max: int | None, codec: BodyCodec
) -> Step[Turned]:
    """Move a page of letters back onto the queue; an empty one keeps the lease.

    Args:
        keys: the partition.
        record: of the replay, with our token as its holder.
        page: what moves.
        ttl_ms: of the lease.
        backlog_max: waiting events at which nothing moves; None when the page was handed over to another destination.
        codec: of the client. Bodies in a form cannot be joined by the script, so that each returns in an entry alone.
    """
    args: list[Argument] = [record.id, record.holder, ttl_ms, LIFE_MS, page.before, page.cursor]
    args += ["" if backlog_max is None else backlog_max, page.seen, page.matched, page.kept, page.spent]
    groups = page.groups if codec is PLAIN else [alone for group in page.groups for alone in group.apart()]
    args += [page.examples, page.witness, len(groups)]
    for group in groups:
        bodies = [codec.write(letter.body) for letter in group.letters] if backlog_max is not None else []
        args += [*group.values(), group.ids, ",".join([str(len(body)) for body in bodies]), b",".join(bodies)]
    return Step("replay", [keys.events, keys.ledger, keys.dead, keys.replay(record.id)], args, _turned)


def hand_over(target: Keys, record: Record, page: Page, *, backlog_max: int, doubtful: int) -> Step[bool]:
    """Put a page onto another destination's queue, once however often it is asked; False when its backlog is full.

    Args:
        target: where to.
        record: of the replay.
        page: what moves; `move` takes the letters away here afterwards.
        backlog_max: waiting events at which it is refused.
        doubtful: events that may have been put there by a page with other members.
    """
    trace = target.chunk(f"replay-{record.id}-{page.before}-{_digest(page.ids)}")
    args: list[Argument] = [record.id, LIFE_MS, backlog_max, doubtful, page.events, len(page.groups)]
    places: list[int] = []
    for group in page.groups:
        bodies = [letter.body for letter in group.letters]
        body = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
        places.append(len(args) + 5)
        args += [*group.values(), body]
    step_keys = [target.events, target.ledger, trace, target.replay(record.id)]
    return Step("hand_over", step_keys, args, bool, places)


def _turned(reply: list[Any]) -> Turned:
    names = ("cursor", "seen", "matched", "moved", "kept", "spent", "gone", "delivered", "died")
    cursor, *counts = reply[1]
    counted = {name: int(count or 0) for name, count in zip(names[1:], counts, strict=True)}
    return Turned(reply[0].decode(), {"cursor": (cursor or b"0-0").decode(), **counted}, reply[2].decode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
