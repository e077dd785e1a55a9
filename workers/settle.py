"""An outcome becomes one atomic step: acknowledged, deleted, buried, put back and counted."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from forwarder.feedback import join
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.in_flight import record_field
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.settlement import DeliveredSingles, PutBack, Settled, Settlement, settle
from forwarder.queue.stream import Entry
from forwarder.queue.tally import count_tally
from workers.outcome import Outcome, Refusal
from workers.quotes import without_quotes
from workers.singles import Singles


def settlement(
    keys: Keys, token: str, outcomes: Sequence[Outcome], *, again: bool = False
) -> Step[Settled] | Step[bool]:
    """The step that settles all entries of batches; of one of whose events nothing is known the requests are counted.

    Args:
        keys: the partition.
        token: of the drain, which wrote the batches' records.
        outcomes: of the batches.
        again: the reply to this step was lost before.
    """
    tally: Counter[str] = Counter()
    for outcome in outcomes:
        tally.update(outcome.tally)
    decided = [outcome for outcome in outcomes if not outcome.undecided]
    if not decided:  # a drain leaves a batch undecided once, so that the first one names them
        return count_tally(keys, tally, name=f"{token}-{outcomes[0].batch.id}")
    settlements = [settlement for outcome in decided for settlement in _settlements(outcome)]
    records = [record_field(token, outcome.batch.id) for outcome in decided]
    return settle(keys, settlements, tally, records=records, again=again)


def _settlements(outcome: Outcome) -> Iterator[Settlement | DeliveredSingles]:
    if outcome.refusals or outcome.rest:
        yield from _one_by_one(outcome)
        return
    for part in outcome.batch.parts:
        if isinstance(part, Singles):
            yield DeliveredSingles(part.ids, part.counted)
        else:
            yield from [Settlement(load.entry, load.members.count) for load in part.loads]


def _one_by_one(outcome: Outcome) -> Iterator[Settlement]:
    letters: defaultdict[int, list[DeadLetter]] = defaultdict(list)
    for refusal in outcome.refusals:
        loads = list(outcome.batch.by_load(refusal.piece))
        quotable = [event for _, _, events in loads for event in events]
        cleaned = replace(refusal, error=without_quotes(refusal.error, quotable))
        for index, places, events in loads:
            entry = outcome.batch.loads[index].entry
            times = entry.accepted
            letters[index] += [
                _letter(outcome, cleaned, entry, event, times.of(place))
                for place, event in zip(places, events, strict=True)
            ]
    put_back: defaultdict[int, list[PutBack]] = defaultdict(list)
    for piece in outcome.rest:
        for index, places, events in outcome.batch.by_load(piece):
            put_back[index].append(PutBack(join(events), outcome.batch.loads[index].entry.accepted.part(places)))
    for index, load in enumerate(outcome.batch.loads):
        yield Settlement(
            load.entry, load.members.count, letters.get(index, ()), put_back.get(index, ()), outcome.attempts
        )


def _letter(outcome: Outcome, refusal: Refusal, entry: Entry, event: bytes, at_ms: int) -> DeadLetter:
    return DeadLetter(
        body=event,
        reason=refusal.reason,
        error=refusal.error,
        status=refusal.status,
        attempts=refusal.attempts,
        at_ms=at_ms,
        source=entry.source,
        batch=outcome.batch.id,
        entry=entry.id,
        replays=entry.replays,
    )
