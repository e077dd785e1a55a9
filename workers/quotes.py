"""What an upstream's error quotes of an event is no word of its own: personal text is taken out of it (pure).

The event itself stands beside its error in the dead letter; errors are also grouped, listed, logged by others and sent
on, where nobody expects what a user wrote.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

MARK: Final = "[…]"
"""Stands for what was taken out."""
RUN: Final = 12
"""So many characters of an event in a row are no accident, whole words as they may be."""


def without_quotes(error: str, events: Sequence[bytes]) -> str:
    """An error without what it quotes of these events' texts and metadata.

    Args:
        error: in the upstream's words.
        events: those that it may be about, as JSON.
    """
    if len(error) < RUN:
        return error
    return _apart(error, "\0".join(text for event in events for text in _written(event)))


def _apart(error: str, written: str) -> str:
    kept, at = [], 0
    while at < len(error):
        length = _quoted(error, at, written)
        kept.append(MARK if length else error[at])
        at += length or 1
    return "".join(kept)


def _quoted(error: str, at: int, written: str) -> int:
    """How many characters from here on are a quote; 0 when too few are."""
    if len(error) - at < RUN or error[at : at + RUN] not in written:
        return 0
    longest, most = RUN, len(error) - at
    while longest < most and error[at : at + longest + 1] in written:
        longest += 1
    return longest


def _written(event: bytes) -> Iterator[str]:
    """What people wrote: as it is, and as JSON would have it, for an error may quote the body."""
    try:
        fields = json.loads(event)
    except ValueError:
        return
    for text in _texts([fields.get("text"), fields.get("metadata")] if isinstance(fields, dict) else []):
        yield text
        yield json.dumps(text)[1:-1]


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
