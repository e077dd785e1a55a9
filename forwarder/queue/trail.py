"""The trail: what operators did, from the console, over HTTP or on the command line, in one bounded stream.

A deed is written before it is done and its result after, in an entry of its own that names the first; so a deed whose
result is missing was cut off, and none goes unseen.
"""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from forwarder.queue.connection import Client
from forwarder.queue.entry_ids import place
from forwarder.queue.keys import OperatorKeys
from forwarder.queue.scripts import Argument, Step, run

KEPT: Final = 20_000
"""Entries, two for each deed; the oldest are dropped."""
TEXT_MAX_LENGTH: Final = 500


class Deed(Struct, frozen=True):
    """Something that an operator did.

    Attributes:
        id: its place on the trail.
        at_ms: when it began (ms since 1970).
        who: did it.
        via: `console`, `api` or `command`.
        action: what, in the words of the command line.
        destination: to which.
        selection: of dead letters, for people; empty when it is not about any.
        detail: what else was asked for.
        result: what came of it; empty while it is not known.
    """

    who: str
    via: str
    action: str
    destination: str
    selection: str = ""
    detail: str = ""
    result: str = ""
    id: str = ""
    at_ms: int = 0


_FIELDS: Final = ("who", "via", "action", "destination", "selection", "detail")


def begin(client: Client, keys: OperatorKeys, deed: Deed) -> str:
    """Write that a deed begins; answers its id."""
    return _add(client, keys, {name: getattr(deed, name) for name in _FIELDS})


def end(client: Client, keys: OperatorKeys, deed_id: str, result: str) -> None:
    """Write what came of it."""
    _add(client, keys, {"of": deed_id, "result": result})


def newest(client: Client, keys: OperatorKeys, limit: int, before: str = "") -> list[Deed]:
    """Deeds, the newest first.

    Args:
        client: of the queue.
        keys: of the trail.
        limit: most of them.
        before: only those older than the deed of this id.
    """
    results: dict[str, str] = {}
    found: list[Deed] = []
    start = "+"
    while len(found) < limit and (page := _page(client, keys, start)):
        for deed, of in page:
            if of:
                results.setdefault(of, deed.result)
            elif not before or place(deed.id) < place(before):
                found.append(replace(deed, result=results.get(deed.id, "")))
        start = f"({page[-1][0].id}"
    return found[:limit]


def _page(client: Client, keys: OperatorKeys, start: str) -> list[tuple[Deed, str]]:
    """Entries as deeds, each with the id of the deed whose end it is, if it is one."""
    reply: Any = client.xrevrange(keys.trail, start, "-", count=500)
    return [_read(entry_id.decode(), fields) for entry_id, fields in reply]


def _read(entry_id: str, fields: dict[bytes, bytes]) -> tuple[Deed, str]:
    def text(name: str) -> str:
        return fields.get(name.encode(), b"").decode("utf-8", "replace")

    given = {name: text(name) for name in (*_FIELDS, "result")}
    return Deed(**given, id=entry_id, at_ms=place(entry_id)[0]), text("of")


def _add(client: Client, keys: OperatorKeys, fields: dict[str, str]) -> str:
    args: list[Argument] = [KEPT]
    for name, value in fields.items():
        args += [name, _bounded(value)]
    step: Step[str] = Step("trail", [keys.trail], args, lambda reply: str(reply.decode()))
    return run(client, step)


def _bounded(text: str) -> bytes:
    return text[:TEXT_MAX_LENGTH].encode("utf-8", "replace")
