"""Which dead letters are meant: one object for the command line, HTTP, the console and the replays in Redis (pure)."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from forwarder.dead.likeness import normalised
from forwarder.parts import UNDECODABLE
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.entry_ids import LAST_SEQUENCE, before, place
from forwarder.times import shown_moment

NO_STATUS: Final = "none"
"""Selects letters that died without an answer."""


class _Identity(Struct):
    """What is read of a body to compare trace ids; whatever else is in it is stepped over."""

    trace_id: str


_identity = msgspec.json.Decoder(_Identity)


class Selection(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A choice of dead letters: all that is given must hold; what is left at its default does not restrict.

    Attributes:
        ids: exactly these letters.
        reasons: any of these.
        statuses: any of these: `503`, a class such as `4xx`, or `none`.
        since_ms: buried then or later (ms since 1970).
        until_ms: buried then or earlier.
        accepted_since_ms: first accepted then or later.
        accepted_until_ms: first accepted then or earlier.
        trace_id: exactly this one.
        source: exactly this producing service.
        batch: exactly this one, in which it was last sent.
        contains: this text stands in the body or in the error.
        message: the error is this one but for quoted values, ids and numbers, as `normalised` makes it.
        attempts: requests in which it was sent, from and to; None for no end.
        replays: how often it was replayed, likewise.
    """

    ids: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    accepted_since_ms: int | None = None
    accepted_until_ms: int | None = None
    trace_id: str | None = None
    source: str | None = None
    batch: str | None = None
    contains: str | None = None
    message: str | None = None
    attempts: tuple[int, int | None] = (0, None)
    replays: tuple[int, int | None] = (0, None)

    @property
    def is_everything(self) -> bool:
        """Whether nothing restricts it."""
        return self == Selection()

    @property
    def after(self) -> str:
        """The id behind which a scan may begin."""
        first = before(f"{self.since_ms or 0}-0")
        return max(first, before(min(self.ids, key=place)), key=place) if self.ids else first

    @property
    def until(self) -> str:
        """The id with which a scan may end; empty for no end."""
        last = "" if self.until_ms is None else f"{self.until_ms}-{LAST_SEQUENCE}"
        if not self.ids:
            return last
        named = max(self.ids, key=place)
        return min(last, named, key=place) if last else named

    @property
    def digest(self) -> str:
        """The same for selections that differ at most in the times of death."""
        timeless = replace(self, since_ms=None, until_ms=None)
        return hashlib.sha256(msgspec.json.encode(timeless, order="sorted")).hexdigest()[:16]

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.statuses or not self.statuses.isdisjoint(_status_names(letter.status)))
            and self._in_time(letter)
            and (self.source is None or letter.source == self.source.encode("utf-8", "surrogateescape"))
            and (self.batch is None or letter.batch == self.batch)
            and _within(letter.attempts, self.attempts)
            and _within(letter.replays, self.replays)
            and (not self.ids or letter.id in self.ids)
            and (self.message is None or normalised(letter.error) == self.message)
            and (self.contains is None or self._contained_in(letter, self.contains))
            and (self.trace_id is None or trace_id_of(letter.body) == self.trace_id)
        )

    def describe(self) -> str:
        """In one line, for people: `reason rejected, source web`; `all` when nothing restricts it."""
        parts = []
        for name, value in asdict(self).items():
            if value != getattr(_EVERYTHING, name):
                parts.append(f"{name.removesuffix('_ms').replace('_', ' ')} {_shown(name, value)}")
        return ", ".join(parts) or "all"

    def _in_time(self, letter: DeadLetter) -> bool:
        return (
            (self.since_ms is None or letter.died_ms >= self.since_ms)
            and (self.until_ms is None or letter.died_ms <= self.until_ms)
            and (self.accepted_since_ms is None or letter.at_ms >= self.accepted_since_ms)
            and (self.accepted_until_ms is None or letter.at_ms <= self.accepted_until_ms)
        )

    @staticmethod
    def _contained_in(letter: DeadLetter, text: str) -> bool:
        return text.encode("utf-8", "surrogateescape") in letter.body or text in letter.error


_EVERYTHING: Final = Selection()


def trace_id_of(body: bytes) -> str | None:
    """The trace id of an event; None when the body has none or is no event."""
    try:
        return _identity.decode(body).trace_id
    except UNDECODABLE:
        return None


def _within(number: int, bounds: tuple[int, int | None]) -> bool:
    least, most = bounds
    return least <= number and (most is None or number <= most)


def _status_names(status: int | None) -> set[str]:
    return {NO_STATUS} if status is None else {str(status), f"{status // 100}xx"}


def _shown(name: str, value: object) -> str:
    if name.endswith("_ms") and isinstance(value, int):
        return shown_moment(value)
    if isinstance(value, frozenset):
        return " or ".join(sorted(value))
    if isinstance(value, tuple):
        least, most = value
        return f"from {least}" if most is None else f"{least} to {most}"
    return repr(value)
