"""May a letter return, and as what? Each letter of a stream in turn: not meant, mended, no valid event, or spent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from forwarder.dead.selection import trace_id_of
from forwarder.errors import InvalidFeedback
from forwarder.feedback import Codec
from forwarder.flaws import Flaw
from forwarder.parts import UNDECODABLE
from forwarder.queue.dead_letters import DeadLetter
from forwarder.replaying.plan import Plan, as_json

SPENT: Final = "spent"
"""It was replayed too often already."""

Judgement = DeadLetter | Flaw | str | None
"""The letter as it returns; why it is no event; SPENT; None when it is not of the selection."""
Judged = tuple[DeadLetter, Judgement]
Lookup = Callable[[Sequence[str]], Sequence[str | None]]
"""Trace ids that take the place of others; None for each that has none."""


def judged(pages: Iterable[Sequence[DeadLetter]], plan: Plan, codec: Codec, lookup: Lookup) -> Iterator[Judged]:
    """Each letter with what is to become of it.

    Args:
        pages: of letters.
        plan: says which are meant, and how they are mended.
        codec: says what a valid event is.
        lookup: the map of trace ids, when the plan has one.
    """
    edits, everything = as_json(plan.edits), plan.selection.is_everything
    as_they_are = not edits and not plan.body and not plan.trace_ids and plan.max_replays is None
    for page in pages:
        mapped = _mapped(page, plan, lookup) if plan.trace_ids else {}
        for letter in page:
            if not everything and not plan.selection.matches(letter):
                yield letter, None
            elif as_they_are and codec.is_canonical(letter.body):  # as most are
                yield letter, letter
            else:
                yield letter, _judgement(letter, plan, codec, edits, mapped)


def edited(body: bytes, edits: Mapping[str, bytes], codec: Codec) -> bytes | Flaw:
    """A letter's body with the edits in it, canonical; or why it is still no event."""
    if edits:
        try:
            event = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except UNDECODABLE:
            return Flaw(None, None, "is not an object, so no field of it can be set", body)
        body = msgspec.json.encode({**event, **{name: msgspec.Raw(value) for name, value in edits.items()}})
    try:
        members = codec.parse(body)
    except InvalidFeedback as error:
        return error.flaws[0]
    if members.count != 1:  # a letter is counted as one event, and must return as one
        return Flaw(None, None, f"holds {members.count} events; a dead letter is one", body)
    return members.joined


def _judgement(
    letter: DeadLetter, plan: Plan, codec: Codec, edits: Mapping[str, bytes], mapped: Mapping[str, str | None]
) -> Judgement:
    """Of a letter that is meant."""
    if plan.max_replays is not None and letter.replays >= plan.max_replays:
        return SPENT
    if plan.trace_ids:
        trace_id = trace_id_of(letter.body)
        new = None if trace_id is None else mapped.get(trace_id)
        if new is None:
            return Flaw(None, "trace_id", "is not in the map of trace ids", letter.body)
        edits = {"trace_id": msgspec.json.encode(new), **edits}
    body = edited(plan.body.encode("utf-8", "replace") or letter.body, edits, codec)
    if isinstance(body, Flaw):
        return body
    return letter if body == letter.body else replace(letter, body=body)


def _mapped(page: Sequence[DeadLetter], plan: Plan, lookup: Lookup) -> dict[str, str | None]:
    meant = (trace_id_of(letter.body) for letter in page if plan.selection.matches(letter))
    wanted = list(dict.fromkeys(trace_id for trace_id in meant if trace_id is not None))
    return dict(zip(wanted, lookup(wanted), strict=True))
