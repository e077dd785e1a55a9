"""What becomes of a batch, piece by piece (pure)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from workers.batch import Batch, Piece
from workers.verdict import Cut, Delivered, Retry

PROBES_MAX: Final = 60
"""Requests after which a batch of which nothing was accepted is given up; while some of it is accepted, it is worked
through to the end, with at most two requests per event."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Events that are refused for good, and why."""

    piece: Piece
    reason: str
    error: str
    status: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """The upstream's last word on a piece.

    Attributes:
        verdict: Retry when the tries are spent.
        status: of the last answer; None when there was none.
        attempts: requests in which the piece was sent.
    """

    verdict: Delivered | Cut | Retry
    status: int | None
    attempts: int

    def refusal(self, piece: Piece, reason: str) -> Refusal:
        """A piece refused in these words."""
        error = "" if isinstance(self.verdict, Delivered) else self.verdict.error
        return Refusal(piece, reason, error, self.status, self.attempts)


@dataclass(slots=True)
class Outcome:
    """What became of a batch: what is neither refused nor left is delivered.

    Attributes:
        batch: the batch.
        refusals: what was refused.
        rest: what had no outcome when the session ended.
        accepted: events that were delivered.
        rejections: requests that were refused because of some event.
        tally: counters of the ledger that its requests have earned.
    """

    batch: Batch
    refusals: list[Refusal] = field(default_factory=list)
    rest: list[Piece] = field(default_factory=list)
    accepted: int = 0
    rejections: int = 0
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def hopeless(self) -> bool:
        """Whether the probing has used up its budget, and nothing was accepted: then the upstream wants none of it."""
        return not self.accepted and self.rejections >= PROBES_MAX

    @property
    def refused(self) -> int:
        """The events that were refused."""
        return sum(refusal.piece.count for refusal in self.refusals)

    @property
    def undecided(self) -> bool:
        """Whether nothing is known of any event: then the batch stays pending as it is."""
        return sum(piece.count for piece in self.rest) == self.batch.count

    def note(self, piece: Piece, ruling: Ruling) -> Sequence[Piece]:
        """Note what became of a piece; answers the pieces to send instead.

        They are to be sent after those that wait, so that a batch is probed all over before any part of it in depth.
        """
        verdict = ruling.verdict
        if isinstance(verdict, Delivered):
            self.accepted += piece.count
        elif isinstance(verdict, Retry):
            self.refusals.append(ruling.refusal(piece, "exhausted"))
        else:
            self.rejections += verdict.reason == "rejected"
            if piece.count > 1:
                return piece.halves()
            self.refusals.append(ruling.refusal(piece, verdict.reason))
        return ()
