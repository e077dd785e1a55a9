"""An outcome becomes one atomic step: acknowledged, deleted, buried, put back and counted."""

from collections import defaultdict

from forwarder.feedback import join
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.in_flight import record_field
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.settlement import PutBack, Settled, Settlement, settle
from forwarder.queue.stream import Entry
from workers.outcome import Outcome, Refusal


def settlement(keys: Keys, token: str, outcome: Outcome, *, again: bool = False) -> Step[Settled]:
    """The step that settles all entries of a batch, or counts its requests alone when nothing is known of its events.

    Args:
        keys: the partition.
        token: of the drain, which wrote the batch's record.
        outcome: of the batch.
        again: the reply to this step was lost before.
    """
    if outcome.undecided:
        return settle(keys, [], outcome.tally)
    letters: defaultdict[int, list[DeadLetter]] = defaultdict(list)
    for refusal in outcome.refusals:
        for index, places, events in outcome.batch.by_load(refusal.piece):
            entry = outcome.batch.loads[index].entry
            times = entry.accepted
            letters[index] += [
                _letter(outcome, refusal, entry, event, times.of(place))
                for place, event in zip(places, events, strict=True)
            ]
    put_back: defaultdict[int, list[PutBack]] = defaultdict(list)
    for piece in outcome.rest:
        for index, places, events in outcome.batch.by_load(piece):
            put_back[index].append(PutBack(join(events), outcome.batch.loads[index].entry.accepted.part(places)))
    settlements = [
        Settlement(load.entry, load.members.count, letters.get(index, ()), put_back.get(index, ()), outcome.attempts)
        for index, load in enumerate(outcome.batch.loads)
    ]
    return settle(keys, settlements, outcome.tally, record=record_field(token, outcome.batch.id), again=again)


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
