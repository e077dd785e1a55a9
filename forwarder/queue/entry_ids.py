"""Ids of stream entries, dead letters among them: their order, and the id just before another (pure)."""

from typing import Final

LAST_SEQUENCE: Final = 2**64 - 1
"""The greatest second part of an id."""


def place(entry_id: str) -> tuple[int, int]:
    """An id as numbers, to compare: milliseconds since 1970, and the sequence within them."""
    time_ms, _, sequence = entry_id.partition("-")
    return int(time_ms), int(sequence)


def before(entry_id: str) -> str:
    """The greatest id that is less; for `0-0`, which no entry has, the same."""
    time_ms, sequence = place(entry_id)
    if sequence:
        return f"{time_ms}-{sequence - 1}"
    return f"{time_ms - 1}-{LAST_SEQUENCE}" if time_ms else "0-0"
