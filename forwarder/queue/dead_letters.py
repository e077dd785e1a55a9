"""Dead letters: what was refused for good, one event each; how they are read, purged and imported."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from forwarder.queue.codec import NUL, BodyCodec, UnreadableBody, codec_of
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Argument, Step
from forwarder.queue.under_way import UnderWay

ERROR_MAX_LENGTH: Final = 500
PAGE: Final = 500
"""Letters per round trip of a scan, a replay or a purge."""
PAGE_BYTES: Final = 8_388_608
"""About as much a page has of bodies, judged by the page before: 500 large ones would stop Redis for everybody else."""

REASONS: Final = ("rejected", "unproven", "too_large", "exhausted", "invalid", "poison")
"""`unproven`: of a batch of which nothing was accepted, sent only together with others when the probing ended.
`poison`: of an entry that was handed out too often without ever being settled."""
IMPORTS_LIFE_MS: Final = 30 * 86_400_000
"""How long after the last import it is remembered which letters were imported."""
LETTER_FIELDS: Final = ("body", "reason", "status", "error", "attempts", "at", "source", "batch", "entry", "replays")
"""The fields of a letter on the stream, in the order in which the scripts take them."""


class DeadLetter(Struct, frozen=True, gc=False):
    """One event that was refused for good; a struct, because a million of them are made in a few seconds.

    Attributes:
        body: the event as it was sent, or the bytes of an entry that holds none.
        reason: one of REASONS.
        status: the HTTP status of the last answer; None when there was none.
        error: why, in the words of the upstream or ours; the first 500 characters.
        attempts: requests in which it was sent.
        at_ms: when it was first accepted.
        source: the producing service; empty when unknown.
        batch: the id of the batch it was last sent in; empty when never sent.
        entry: the id of the stream entry it came in.
        replays: how often it was replayed before it died.
        id: its place on the dead stream; None until it is buried.
    """

    body: bytes
    reason: str
    error: str
    status: int | None = None
    attempts: int = 0
    at_ms: int = 0
    source: bytes = b""
    batch: str = ""
    entry: bytes = b""
    replays: int = 0
    id: str | None = None

    def values(self) -> list[Argument]:
        """The values of LETTER_FIELDS."""
        status = "" if self.status is None else self.status
        error = self.error[:ERROR_MAX_LENGTH].encode("utf-8", "replace")
        return [
            *(self.body, self.reason, status, error, self.attempts),
            *(self.at_ms, self.source, self.batch, self.entry, self.replays),
        ]

    @property
    def died_ms(self) -> int:
        """When it was buried."""
        return int(self.id.partition("-")[0]) if self.id else 0

    def as_json(self) -> dict[str, Any]:
        """For people and programs: bytes that are not UTF-8 are shown with replacement characters."""
        return {
            "id": self.id,
            "body": self.body.decode("utf-8", "replace"),
            "reason": self.reason,
            "status": self.status,
            "error": self.error,
            "attempts": self.attempts,
            "at": self.at_ms,
            "source": self.source.decode("utf-8", "replace"),
            "batch": self.batch,
            "entry": self.entry.decode("utf-8", "replace"),
            "replays": self.replays,
        }


def count(client: Client, keys: Keys) -> int:
    """How many letters there are."""
    return int(client.xlen(keys.dead))


def oldest(client: Client, keys: Keys) -> DeadLetter | None:
    """The oldest letter; None when there is none."""
    page = _pages(client, client.xrange(keys.dead, count=1))
    return page[0] if page else None


def scan(client: Client, keys: Keys, *, after: str | None = None, until: str = "+") -> Iterator[DeadLetter]:
    """All letters, oldest first, page by page.

    Args:
        client: of the queue.
        keys: the partition.
        after: begin behind this id.
        until: end with this id; bounds a scan over a stream that grows.
    """
    for page in scan_pages(client, keys, after=after, until=until):
        yield from page


def scan_pages(client: Client, keys: Keys, *, after: str | None = None, until: str = "+") -> Iterator[list[DeadLetter]]:
    """The same in pages, none of them empty. From the second on, Redis reads the next while the present one is used."""
    page = _pages(client, client.xrange(keys.dead, f"({after}" if after else "-", until, count=PAGE))
    if page:
        yield page
    if len(page) < PAGE:
        return
    count = _fitting(page)
    page = _page_after(client, keys, page, until, count).answer()
    while len(page) == count:
        count = _fitting(page)
        with _page_after(client, keys, page, until, count) as ahead:
            yield page
            page = ahead.answer()
    if page:
        yield page


def _fitting(page: list[DeadLetter]) -> int:
    """How many letters such as these make a page."""
    mean = sum([len(letter.body) for letter in page]) // len(page) + 1
    return max(1, min(PAGE, PAGE_BYTES // mean))


def _page_after(
    client: Client, keys: Keys, page: list[DeadLetter], until: str, count: int
) -> UnderWay[list[DeadLetter]]:
    start = f"({page[-1].id}"

    def again() -> list[DeadLetter]:
        return _pages(client, client.xrange(keys.dead, start, until, count=count))

    def read(reply: list[Any]) -> list[DeadLetter]:
        return _raw_pages(client, reply)

    return UnderWay(client, ("XRANGE", keys.dead, start, until, "COUNT", count), read, again)


def scan_back(client: Client, keys: Keys, *, until: str = "", after: str | None = None) -> Iterator[DeadLetter]:
    """All letters, newest first, page by page.

    Args:
        client: of the queue.
        keys: the partition.
        until: begin with this id; empty for the newest.
        after: end behind this id.
    """
    start, end, count = until or "+", f"({after}" if after else "-", PAGE
    while page := _pages(client, client.xrevrange(keys.dead, start, end, count=count)):
        yield from page
        start, count = f"({page[-1].id}", _fitting(page)


def get(client: Client, keys: Keys, letter_id: str) -> DeadLetter | None:
    """One letter, or None when there is none of this id."""
    page = _pages(client, client.xrange(keys.dead, letter_id, letter_id, count=1))
    return page[0] if page else None


def last_id(client: Client, keys: Keys) -> str | None:
    """The newest letter's id: the bound of a replay that must not meet what dies again."""
    page = _pages(client, client.xrevrange(keys.dead, count=1))
    return page[0].id if page else None


def purge(keys: Keys, letter_ids: Sequence[str], cause: str = "hand") -> Step[int]:
    """Delete letters for good; answers how many there were.

    Args:
        keys: the partition.
        letter_ids: those that are meant; at most a few thousand.
        cause: `hand`, or the bound of the retention that they passed: `age` or `count`.
    """
    return Step("purge", [keys.ledger, keys.dead], [cause, *letter_ids], int)


def bury_again(keys: Keys, letters: Sequence[tuple[str, DeadLetter]], *, again: bool) -> Step[tuple[int, int]]:
    """Bury exported letters, each once.

    Args:
        keys: the partition.
        letters: with what identifies each; their ids are those that they had.
        again: also those that were imported before and are not dead any more.

    Returns:
        The step, which answers how many were buried and how many passed over.
    """
    args: list[Argument] = [IMPORTS_LIFE_MS, int(again), len(letters)]
    bodies: list[int] = []
    for identity, letter in letters:
        bodies.append(len(args) + 2)
        args += [identity, letter.id or "", *letter.values()]
    step_keys = [keys.ledger, keys.dead, keys.imported]
    return Step("import", step_keys, args, lambda reply: (reply[0], reply[1]), bodies)


def _pages(client: Client, reply: Any) -> list[DeadLetter]:  # noqa: ANN401 - redis-py types it as any client's
    codec = codec_of(client)
    return [_letter(codec, entry_id, fields) for entry_id, fields in reply]


def _raw_pages(client: Client, reply: list[Any]) -> list[DeadLetter]:
    """Of a reply as it came over the wire: names and values in turn."""
    codec = codec_of(client)
    return [_letter(codec, entry_id, _paired(flat)) for entry_id, flat in reply]


def _paired(flat: list[bytes]) -> dict[bytes, bytes]:
    turns = iter(flat)
    return dict(zip(turns, turns, strict=True))


def _body(codec: BodyCodec, body: bytes) -> bytes:
    """As it was sent; one that cannot be read here stays as it is, which is no event."""
    if not body.startswith(NUL):
        return body
    try:
        return codec.read(body)
    except UnreadableBody:
        return body


def _letter(codec: BodyCodec, entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    field = fields.get
    return DeadLetter(  # by position, for names cost half as much again
        _body(codec, field(b"body", b"")),
        field(b"reason", b"").decode("utf-8", "replace"),
        field(b"error", b"").decode("utf-8", "replace"),
        _number(field(b"status")) or None,
        _number(field(b"attempts")),
        _number(field(b"at")),
        field(b"source", b""),
        field(b"batch", b"").decode("utf-8", "replace"),
        field(b"entry", b""),
        _number(field(b"replays")),
        entry_id.decode(),
    )


def _number(digits: bytes | None) -> int:
    return int(digits) if digits and digits.isdigit() else 0
