"""What must be true after every run, whatever went wrong meanwhile (pure)."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from forwarder.queue.dead_letters import DeadLetter
from tests.chaos.evidence import Evidence, trace_of
from tests.chaos.faults.upstream import REFUSES_ANY, REFUSES_PLANTED
from tests.chaos.journal import is_planted


def failures(evidence: Evidence) -> list[str]:
    """Everything that is not as it must be, one line each; none when all is well."""
    return [line for check in CHECKS for line in check(evidence)]


def _nothing_is_lost(evidence: Evidence) -> Iterator[str]:
    """The upstream has every acknowledged event, or it is a dead letter."""
    lost = evidence.sent.acknowledged - evidence.arrived.keys() - evidence.dead.keys()
    if lost:
        yield f"{len(lost)} acknowledged events are lost: {ranges(lost)}"


def _nothing_is_made_up(evidence: Evidence) -> Iterator[str]:
    """What arrived or died was sent."""
    sent = evidence.sent.acknowledged | evidence.sent.unknown
    foreign = (evidence.arrived.keys() | evidence.dead.keys()) - sent
    if foreign:
        yield f"{len(foreign)} events arrived or died that nobody sent: {', '.join(sorted(foreign)[:20])}"


def _letters_are_deserved(evidence: Evidence) -> Iterator[str]:
    """Only what the upstream was told to refuse is dead, and once."""
    innocent = [letter for letter in evidence.letters if not _is_deserved(letter)]
    for letter in innocent[:20]:
        yield f"{trace_of(letter)} is dead for no good reason: {letter.reason}, {letter.error!r}"
    if more := len(innocent[20:]):
        yield f"… and {more} more are dead for no good reason"
    twice = [trace for trace, times in evidence.dead.items() if times > 1]
    if twice:
        yield f"{len(twice)} events have more than one dead letter: {ranges(twice)}"


def _is_deserved(letter: DeadLetter) -> bool:
    if letter.reason not in ("rejected", "unproven"):
        return False
    if REFUSES_ANY in letter.error:
        return True
    return REFUSES_PLANTED in letter.error and (letter.reason == "unproven" or is_planted(trace_of(letter)))


def _accepted_is_what_was_stored(evidence: Evidence) -> Iterator[str]:
    """The ledger accepted what was acknowledged, some of the unknown, and nothing that is gone."""
    accepted = evidence.books["accepted"]
    least = len(evidence.sent.acknowledged)
    most = least + len(evidence.sent.unknown)
    if not least <= accepted <= most:
        yield f"the ledger accepted {accepted}, but {least} were acknowledged and {most} sent"
    seen = len(evidence.arrived.keys() | evidence.dead.keys())
    if accepted != seen:
        yield f"the ledger accepted {accepted}, but {seen} different events arrived or died"


def _books_close(evidence: Evidence) -> Iterator[str]:
    """The three lines close, and so does the count of what waits: nothing."""
    for audit in evidence.audits:
        yield from (str(line) for line in audit.books.lines if not line.closes)
        if not audit.closes:
            yield f"the deep audit does not close: {audit.waiting}, pending {audit.books['pending']}"
    books = evidence.books
    if books.entries or books["pending"]:
        yield f"{books.entries} entries still wait, and the ledger says {books['pending']} events"


def _duplicates_are_accounted_for(evidence: Evidence) -> Iterator[str]:
    """No more events arrived twice than the ledger calls ambiguous."""
    ambiguous = evidence.books["ambiguous"]
    if evidence.duplicates > ambiguous:
        twice = [trace for trace, times in evidence.arrived.items() if times > 1]
        yield f"{evidence.duplicates} duplicates, but only {ambiguous} ambiguous; more than once: {ranges(twice)}"


def _nothing_is_left_behind(evidence: Evidence) -> Iterator[str]:
    left = evidence.left
    if left.pending:
        yield f"{left.pending} entries are pending"
    yield from (f"the lease {key} is left" for key in left.leases)
    yield from (f"a process is left: {process}" for process in left.processes)


def _logs_are_calm(evidence: Evidence) -> Iterator[str]:
    yield from (f"an unexpected traceback in the log: {trace}" for trace in evidence.unexpected)


CHECKS: tuple[Callable[[Evidence], Iterable[str]], ...] = (
    _nothing_is_lost,
    _nothing_is_made_up,
    _letters_are_deserved,
    _accepted_is_what_was_stored,
    _books_close,
    _duplicates_are_accounted_for,
    _nothing_is_left_behind,
    _logs_are_calm,
)


def ranges(traces: Iterable[str]) -> str:
    """Trace ids, all of them, with neighbours written as p1-120…144."""
    known = sorted((int(producer[1:]), int(number)) for producer, _, number in (t.partition("-") for t in traces))
    parts = []
    for (producer, _), group in groupby(enumerate(known), lambda item: (item[1][0], item[1][1] - item[0])):
        numbers = [number for _, (_, number) in group]
        parts.append(f"p{producer}-{numbers[0]}" + (f"…{numbers[-1]}" if len(numbers) > 1 else ""))
    return ", ".join(parts)
