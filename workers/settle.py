"""An outcome becomes one atomic step: acknowledged, deleted, buried and counted."""

from collections.abc import Iterator

from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.stream import Settled, Settlement, settle
from workers.dispatch import Outcome


def settlement(keys: Keys, outcome: Outcome) -> Step[Settled]:
    """The step that settles all entries of a batch."""
    entries = [Settlement(load.entry.id, load.entry.claimed, load.members.count) for load in outcome.batch.loads]
    return settle(keys, entries, list(_letters(outcome)), outcome.tally)


def _letters(outcome: Outcome) -> Iterator[tuple[int, DeadLetter]]:
    batch = outcome.batch
    for refusal in outcome.refusals:
        for event_index in range(refusal.piece.start, refusal.piece.stop):
            load_index = batch.load_of(event_index)
            entry = batch.loads[load_index].entry
            yield (
                load_index,
                DeadLetter(
                    body=batch.events[event_index],
                    reason=refusal.reason,
                    error=refusal.error,
                    status=refusal.status,
                    attempts=refusal.attempts,
                    at_ms=entry.at_ms,
                    source=entry.source,
                    batch=batch.id,
                    entry=entry.id,
                    replays=entry.replays,
                ),
            )
