"""A selection from what people type: options of a command, the query of a URL, or JSON; one set of names (pure)."""

import re
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import asdict, replace

from forwarder.dead.likeness import normalised
from forwarder.dead.selection import NO_STATUS, Selection
from forwarder.errors import UsageError
from forwarder.queue.dead_letters import REASONS
from forwarder.times import iso_moment, parse_moment_ms

_STATUS: Final = re.compile(r"[1-9](\d\d|xx)", re.ASCII)
_ID: Final = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)
_RANGE: Final = re.compile(r"(?P<least>\d{1,9})?(?P<dots>\.\.)?(?P<most>\d{1,9})?", re.ASCII)


class Filters(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people give to select dead letters, named as on the command line; `Selection` says what each means.

    Times are written `2h` (so long ago) or in ISO form, ranges `3`, `3..`, `..3` or `1..3`. Of lists one must hold.
    """

    id: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    accepted_since: str | None = None
    accepted_until: str | None = None
    trace_id: str | None = None
    source: str | None = None
    batch: str | None = None
    contains: str | None = None
    message: str | None = None
    attempts: str | None = None
    replays: str | None = None

    def selection(self, now_ms: int) -> Selection:
        """The selection at this moment.

        Args:
            now_ms: the time (ms since 1970), from which `2h` is counted back.

        Raises:
            UsageError: a value that cannot be; names the option.
        """
        since_ms, until_ms = _span(self.since, self.until, "", now_ms)
        accepted_since_ms, accepted_until_ms = _span(self.accepted_since, self.accepted_until, "accepted-", now_ms)
        return Selection(
            ids=frozenset(map(known_id, self.id)),
            reasons=frozenset(map(_known_reason, self.reason)),
            statuses=frozenset(map(_known_status, self.status)),
            since_ms=since_ms,
            until_ms=until_ms,
            accepted_since_ms=accepted_since_ms,
            accepted_until_ms=accepted_until_ms,
            trace_id=self.trace_id,
            source=self.source,
            batch=self.batch,
            contains=self.contains,
            message=None if self.message is None else normalised(self.message),
            attempts=_range(self.attempts, "--attempts"),
            replays=_range(self.replays, "--replays"),
        )

    def pinned(self, now_ms: int) -> Self:
        """The same with times that do not move on: what was counted is what is done.

        Raises:
            UsageError: a value that cannot be.
        """
        self.selection(now_ms)
        times = {name: given for name in _TIMES if (given := getattr(self, name)) is not None}
        return replace(self, **{name: iso_moment(parse_moment_ms(given, now_ms)) for name, given in times.items()})

    @property
    def query(self) -> list[tuple[str, str]]:
        """As the query of a URL: what was given, in order."""
        pairs: list[tuple[str, str]] = []
        for name, value in asdict(self).items():
            if name in Filters.__struct_fields__ and value not in (None, ()):
                pairs += [(name, one) for one in value] if isinstance(value, tuple) else [(name, value)]
        return pairs


_TIMES: Final = ("since", "until", "accepted_since", "accepted_until")


def known_id(text: str) -> str:
    """A letter's id as it is written.

    Raises:
        UsageError: it is none.
    """
    if not _ID.fullmatch(text):
        raise UsageError(f"{text!r} is not an id: it looks like 1767225600000-0, see `forwarder dead-letters list`")
    return text


def _span(since: str | None, until: str | None, prefix: str, now_ms: int) -> tuple[int | None, int | None]:
    since_ms = parse_moment_ms(since, now_ms) if since is not None else None
    until_ms = parse_moment_ms(until, now_ms) if until is not None else None
    if since_ms is not None and until_ms is not None and since_ms > until_ms:
        raise UsageError(f"--{prefix}since is later than --{prefix}until: nothing can be in between")
    return since_ms, until_ms


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


def _range(text: str | None, option: str) -> tuple[int, int | None]:
    if text is None:
        return 0, None
    found = _RANGE.fullmatch(text.strip())
    if not found or not (found["least"] or found["most"]):
        raise UsageError(f"{option} {text!r}: write a number, or a range such as 3.. or ..3 or 1..3")
    least = int(found["least"] or 0)
    most = int(found["most"]) if found["most"] else None if found["dots"] else least
    if most is not None and most < least:
        raise UsageError(f"{option} {text!r}: nothing is both at least {least} and at most {most}")
    return least, most
