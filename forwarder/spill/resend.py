"""Resend: what lies in the spill file is appended, the oldest first, with its first time and its chunk id."""

import contextlib
from collections.abc import Sequence
from typing import Final

from forwarder import clock
from forwarder.errors import SpillUnavailable
from forwarder.queue.caps import Caps
from forwarder.queue.handover import Handed, Handover
from forwarder.spill.file import SpillFile

ROUND_CHUNKS: Final = 16
"""Appended with one round trip: at most 4 MiB."""


def resend(spill: SpillFile, handover: Handover, caps: Caps, *, without: Sequence[str] = ()) -> Handed:
    """Append some chunks of the file; answers what became of them, nothing when none is free to be taken.

    Args:
        spill: the file.
        handover: the line to Redis.
        caps: how long Redis knows an append.
        without: destinations to leave out.

    Raises:
        SpillFull, SpillUnavailable: the file cannot be used. What was appended is then recognised the next time.
    """
    if not spill.has_some():
        return Handed()
    if away := handover.reach():  # nothing is claimed in vain, and no doubt arises
        return Handed(away=away)
    chunks = spill.take(ROUND_CHUNKS, without=without)
    if not chunks:
        return Handed()
    sent_ms = clock.now_ms()
    handed = handover.hand_over(chunks)
    if handed.stored:
        spill.done(handed.stored)
    back = [*handed.refused, *(chunk.doubted(sent_ms, caps) for chunk in handed.unanswered)]
    if back:
        with contextlib.suppress(SpillUnavailable):  # the claims run out
            spill.release(back)
    return handed
