"""What a drain is about to send, noted where the next drain finds it; and the end of each batch, settled.

Batches that begin or end at the same time share a round trip.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from forwarder.queue import in_flight
from forwarder.queue.connection import AsyncClient
from forwarder.queue.in_flight import Record
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step, run_async
from forwarder.queue.settlement import Recut, recut
from workers.outcome import Outcome
from workers.patience import patiently
from workers.session import HandBack, Session
from workers.settle import settlement
from workers.together import Together

BEGUN_TOGETHER: Final = 100
SETTLED_TOGETHER: Final = 2_000
"""Entries and dead letters of one step, which keeps Redis busy for some milliseconds at most."""


class Journal:
    """Writes down the batches of one drain.

    Args:
        client: of the queue.
        keys: of the partition.
        session: whose lease fences what is sent.
    """

    def __init__(self, client: AsyncClient, keys: Keys, session: Session) -> None:
        self._client = client
        self._keys = keys
        self._session = session
        self._beginning = Together(self._note, most=BEGUN_TOGETHER)
        self._settling = Together(self._close, weight=_weight, most=SETTLED_TOGETHER)

    async def begin(self, outcome: Outcome, attempts: int) -> None:
        """Note that a batch, or a piece of it, is about to be sent.

        Args:
            outcome: of the batch, so far.
            attempts: to send it, this one included.

        Raises:
            HandBack: the lease was lost, so that another drain may have the batch; or the session ended.
        """
        batch = outcome.batch
        record = Record(batch.id, batch.entry_ids, batch.count, attempts, outcome.tally["ambiguous"], batch.oldest)
        if not await self._beginning.done(record):
            self._session.end("its lease was lost")
            raise HandBack

    async def settle(self, outcome: Outcome) -> None:
        """Settle what has its outcome, and count.

        Goes on after the session's end, until cancelled: what is not settled is sent again by the next drain.
        """
        await self._settling.done(outcome)

    async def recut(self, cut: Recut) -> None:
        """Settle an entry that cannot travel into others that can, and dead letters.

        Raises:
            HandBack: the session ended first.
        """
        await self._once(lambda again: recut(self._keys, cut, again=again))

    async def end(self) -> None:
        """Break off what nobody waits for any more."""
        await self._beginning.end()
        await self._settling.end()

    async def _note(self, records: Sequence[Record]) -> list[bool]:
        session = self._session
        step = in_flight.begin(self._keys, session.slot, session.token, records)
        return await patiently(session, lambda: run_async(self._client, step))

    async def _close(self, outcomes: Sequence[Outcome]) -> list[None]:
        await self._once(
            lambda again: settlement(self._keys, self._session.token, outcomes, again=again), to_the_last=True
        )
        return [None] * len(outcomes)

    async def _once(self, step: Callable[[bool], Step[Any]], *, to_the_last: bool = False) -> None:
        """A step whose reply was lost is run again, and told so, so that it counts once."""
        again = False

        async def attempt() -> None:
            nonlocal again
            running = step(again)
            again = True
            await run_async(self._client, running)

        await patiently(self._session, attempt, to_the_last=to_the_last)


def _weight(outcome: Outcome) -> int:
    return len(outcome.batch.entry_ids) + outcome.refused
