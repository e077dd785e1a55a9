"""An outcome becomes one atomic step: acknowledged, deleted, buried, put back and counted."""

from collections import defaultdict

from forwarder.feedback import Members, join
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.in_flight import record_field
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.settlement import Settled, Settlement, settle
from workers.outcome import Outcome, Refusal
from workers.quotes import without_quotes


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
        loads = list(outcome.batch.by_load(refusal.piece))
        error = without_quotes(refusal.error, [event for _, events in loads for event in events])
        for index, events in loads:
            letters[index] += [_letter(outcome, refusal, error, index, event) for event in events]
    put_back: defaultdict[int, list[Members]] = defaultdict(list)
    for piece in outcome.rest:
        for index, events in outcome.batch.by_load(piece):
            put_back[index].append(join(events))
    settlements = [
        Settlement(load.entry, load.members.count, letters.get(index, ()), put_back.get(index, ()), outcome.attempts)
        for index, load in enumerate(outcome.batch.loads)
    ]
    return settle(keys, settlements, outcome.tally, record=record_field(token, outcome.batch.id), again=again)


def _letter(outcome: Outcome, refusal: Refusal, error: str, load_index: int, event: bytes) -> DeadLetter:
    entry = outcome.batch.loads[load_index].entry
    return DeadLetter(
        body=event,
        reason=refusal.reason,
        error=error,
        status=refusal.status,
        attempts=refusal.attempts,
        at_ms=entry.at_ms,
        source=entry.source,
        batch=outcome.batch.id,
        entry=entry.id,
        replays=entry.replays,
    )
