"""What becomes of a batch, piece by piece (pure)."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from workers.batch import Batch, Piece
from workers.verdict import Cut, Delivered, Retry

PROBES_MAX: Final = 60
"""Requests after which a batch of which nothing was accepted is given up; while some of it is accepted, it is worked
through to the end, with at most two requests per event."""
ABREAST: Final = 8
"""Pieces of one batch that are sent at once, as soon as some of it has been accepted; before, one by one, so that the
budget of the probing is exact."""
SAMPLES_AFTER: Final = 7
"""Refusals (the whole, its halves, its quarters) after which every other probe is a single event: of an array with many
bad events hardly a piece is accepted as a whole, but a good event that stands alone is, and ends the budget."""
HINTS_MAX: Final = 8
"""Events that are set apart because an answer named them, while nothing is accepted: were all others sent together each
time, a batch with many bad events would use up its probing before any good one had stood without them."""


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
        pieces: what is to be sent, in this order.
        under_way: what is being sent; what stays here has no outcome.
        refusals: what was refused.
        rest: what had no outcome when the session ended.
        accepted: events that were delivered.
        rejections: requests that were refused because of some event.
        attempts: the most tries that any of its pieces has had.
        status: of the latest answer; None when there was none.
        tally: counters of the ledger that its requests have earned.
    """

    batch: Batch
    pieces: deque[Piece] = field(default_factory=deque)
    under_way: list[Piece] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rest: list[Piece] = field(default_factory=list)
    accepted: int = 0
    rejections: int = 0
    attempts: int = 0
    status: int | None = None
    tally: Counter[str] = field(default_factory=Counter)
    _hints_hold: bool = True
    _hints: int = 0
    _others: dict[int, Piece] = field(default_factory=dict)
    """By an event that an answer has named: the events that were refused together with it."""

    @property
    def refused(self) -> int:
        """The events that were refused."""
        return sum(refusal.piece.count for refusal in self.refusals)

    @property
    def left(self) -> int:
        """The events that have no outcome."""
        return sum(piece.count for piece in self.rest)

    @property
    def undecided(self) -> bool:
        """Whether nothing is known of any event: then the batch stays pending as it is."""
        return self.left == self.batch.count

    def next_pieces(self) -> list[Piece]:
        """What to send next, at once; empty when every piece has its outcome."""
        self.under_way = self._taken()
        return list(self.under_way)

    def _taken(self) -> list[Piece]:
        if self._sampling:
            largest = self.pieces.popleft()
            sample, others = largest.apart(largest.count // 2)
            self.pieces.append(others)
            return [sample]
        abreast = ABREAST if self.accepted else 1
        return [self.pieces.popleft() for _ in range(min(abreast, len(self.pieces)))]

    def close(self) -> None:
        """Nothing more is sent: what has no outcome is left."""
        self.rest = [*self.under_way, *self.pieces, *self._others.values()]

    def note(self, piece: Piece, ruling: Ruling) -> None:
        """Note what became of a piece; what of it must be sent anew waits behind the other pieces.

        So a batch is probed all over before any part of it in depth.
        """
        self.under_way.remove(piece)
        verdict = ruling.verdict
        if isinstance(verdict, Delivered):
            self.accepted += piece.count
        elif isinstance(verdict, Retry):
            self.refusals.append(ruling.refusal(piece, "exhausted"))
        else:
            self._note_cut(piece, ruling, verdict)
        if piece.count == 1:
            self._confirm(piece, accepted=isinstance(verdict, Delivered))
        if not self.accepted and self.rejections >= PROBES_MAX:  # then the upstream wants none of it
            left = [*self.pieces, *self._others.values()]
            self.refusals += [ruling.refusal(each, "unproven") for each in left]
            self.pieces.clear()
            self._others.clear()

    @property
    def _sampling(self) -> bool:
        due = not self.accepted and self.rejections >= SAMPLES_AFTER and self.rejections % 2
        return bool(due and self.pieces and self.pieces[0].count > 1)

    @property
    def _trusted(self) -> bool:
        return self._hints_hold and (self.accepted > 0 or self._hints < HINTS_MAX)

    def _note_cut(self, piece: Piece, ruling: Ruling, verdict: Cut) -> None:
        self.rejections += verdict.reason == "rejected"
        if piece.count == 1:
            self.refusals.append(ruling.refusal(piece, verdict.reason))
        elif verdict.index is not None and verdict.index < piece.count and self._trusted:
            named, others = piece.apart(verdict.index)
            self._hints += 1
            self._others[named.indices[0]] = others
            self.pieces.appendleft(named)
        else:
            self.pieces.extend(piece.halves())

    def _confirm(self, piece: Piece, *, accepted: bool) -> None:
        """An event that an answer had named has its outcome: was the answer right?

        If so the others are sent together. If it was accepted, the culprit is among the others: they are cut at once,
        and names are not trusted any more, so that a wrong one costs no more than this request.
        """
        others = self._others.pop(piece.indices[0], None)
        if others is None:
            return
        self._hints_hold = self._hints_hold and not accepted
        self.pieces.extend(others.halves() if accepted and others.count > 1 else [others])
