"""Which dead letters are meant: the filters that all commands on dead letters share (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from forwarder.errors import UsageError
from forwarder.parts import UNDECODABLE
from forwarder.queue.dead_letters import REASONS, DeadLetter
from forwarder.times import parse_moment_ms

NO_STATUS = "none"
"""Selects letters that died without an answer."""

_LAST_SEQUENCE = 2**64 - 1
_STATUS = re.compile(r"[1-9](\d\d|xx)", re.ASCII)


class _Identity(msgspec.Struct):
    """What is read of a body to compare trace ids; whatever else is in it is stepped over."""

    trace_id: str


_identity = msgspec.json.Decoder(_Identity)


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of dead letters; what is left at its default does not restrict.

    Attributes:
        reasons: any of these.
        statuses: any of these: `503`, a class such as `4xx`, or `none`.
        since_ms: buried then or later (ms since 1970).
        until_ms: buried then or earlier.
        trace_id: exactly this one.
        source: exactly this producing service.
        contains: this text stands in the body or in the error.
    """

    reasons: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    trace_id: str | None = None
    source: str | None = None
    contains: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing restricts it."""
        return self == Selection()

    @property
    def after(self) -> str | None:
        """The id behind which a scan may begin."""
        return f"{self.since_ms - 1}-{_LAST_SEQUENCE}" if self.since_ms else None

    @property
    def until(self) -> str:
        """The id with which a scan may end."""
        return "+" if self.until_ms is None else f"{self.until_ms}-{_LAST_SEQUENCE}"

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.statuses or not self.statuses.isdisjoint(_status_names(letter.status)))
            and (self.since_ms is None or letter.died_ms >= self.since_ms)
            and (self.until_ms is None or letter.died_ms <= self.until_ms)
            and (self.source is None or letter.source == self.source.encode("utf-8", "surrogateescape"))
            and (self.contains is None or self._contained_in(letter, self.contains))
            and (self.trace_id is None or trace_id_of(letter.body) == self.trace_id)
        )

    @staticmethod
    def _contained_in(letter: DeadLetter, text: str) -> bool:
        return text.encode("utf-8", "surrogateescape") in letter.body or text in letter.error


def select(
    *,
    now_ms: int,
    reasons: Sequence[str] = (),
    statuses: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    trace_id: str | None = None,
    source: str | None = None,
    contains: str | None = None,
) -> Selection:
    """A selection from what an operator typed.

    Raises:
        UsageError: a reason, status or time that there is not.
    """
    since_ms = parse_moment_ms(since, now_ms) if since is not None else None
    until_ms = parse_moment_ms(until, now_ms) if until is not None else None
    if since_ms is not None and until_ms is not None and since_ms > until_ms:
        raise UsageError("--since is later than --until: nothing can be in between")
    return Selection(
        reasons=frozenset(_known_reason(reason) for reason in reasons),
        statuses=frozenset(_known_status(status) for status in statuses),
        since_ms=since_ms,
        until_ms=until_ms,
        trace_id=trace_id,
        source=source,
        contains=contains,
    )


def trace_id_of(body: bytes) -> str | None:
    """The trace id of an event; None when the body has none or is no event."""
    try:
        return _identity.decode(body).trace_id
    except UNDECODABLE:
        return None


def _known_reason(text: str) -> str:
    reason = text.strip().lower().replace("-", "_")
    if reason not in REASONS:
        raise UsageError(f"{text!r} is not a reason; there are: {', '.join(REASONS)}")
    return reason


def _known_status(text: str) -> str:
    status = text.strip().lower()
    if status != NO_STATUS and not _STATUS.fullmatch(status):
        raise UsageError(f"{text!r} is not a status: write 503, a class such as 4xx, or {NO_STATUS}")
    return status


def _status_names(status: int | None) -> set[str]:
    return {NO_STATUS} if status is None else {str(status), f"{status // 100}xx"}
