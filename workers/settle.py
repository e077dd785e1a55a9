"""An outcome becomes one atomic step: acknowledged, deleted, buried, put back and counted."""

from collections import defaultdict

from forwarder.feedback import Members, join
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.settlement import Settled, Settlement, settle
from workers.outcome import Outcome, Refusal


def settlement(keys: Keys, outcome: Outcome) -> Step[Settled]:
    """The step that settles all entries of a batch, or counts its requests alone when nothing is known of its events.

    An entry that was handed out before may have been delivered by whoever had it: that is counted as ambiguous.
    """
    if outcome.undecided:
        return settle(keys, [], outcome.tally)
    letters: defaultdict[int, list[DeadLetter]] = defaultdict(list)
    for refusal in outcome.refusals:
        for index, events in outcome.batch.by_load(refusal.piece):
            letters[index] += [_letter(outcome, refusal, index, event) for event in events]
    put_back: defaultdict[int, list[Members]] = defaultdict(list)
    for piece in outcome.rest:
        for index, events in outcome.batch.by_load(piece):
            put_back[index].append(join(events))
    settlements = [
        Settlement(load.entry, load.members.count, letters.get(index, ()), put_back.get(index, ()))
        for index, load in enumerate(outcome.batch.loads)
    ]
    handed_out_before = sum(load.members.count for load in outcome.batch.loads if load.entry.deliveries > 1)
    if handed_out_before:
        outcome.tally["ambiguous"] += handed_out_before
    return settle(keys, settlements, outcome.tally)


def _letter(outcome: Outcome, refusal: Refusal, load_index: int, event: bytes) -> DeadLetter:
    entry = outcome.batch.loads[load_index].entry
    return DeadLetter(
        body=event,
        reason=refusal.reason,
        error=refusal.error,
        status=refusal.status,
        attempts=refusal.attempts,
        at_ms=entry.at_ms,
        source=entry.source,
        batch=outcome.batch.id,
        entry=entry.id,
        replays=entry.replays,
    )
