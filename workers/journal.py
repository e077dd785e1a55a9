"""What a drain is about to send, noted where the next drain finds it; and the end of each batch, settled."""

from forwarder.queue import in_flight
from forwarder.queue.connection import AsyncClient
from forwarder.queue.in_flight import Record
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run_async
from workers.outcome import Outcome
from workers.patience import patiently
from workers.session import HandBack, Session
from workers.settle import settlement


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

    async def begin(self, outcome: Outcome) -> None:
        """Note that a batch, or a piece of it, is about to be sent.

        Raises:
            HandBack: the lease was lost, so that another drain may have the batch; or the session ended.
        """
        batch, session = outcome.batch, self._session
        record = Record(batch.id, batch.entry_ids, batch.count, outcome.attempts, outcome.tally["ambiguous"])
        step = in_flight.begin(self._keys, session.slot, session.token, record)
        if not await patiently(session, lambda: run_async(self._client, step)):
            session.end("its lease was lost")
            raise HandBack

    async def settle(self, outcome: Outcome) -> None:
        """Settle what has its outcome, and count; a reply that is lost is asked for again, and counted once.

        Goes on after the session's end, until cancelled: what is not settled is sent again by the next drain.
        """
        again = False

        async def attempt() -> None:
            nonlocal again
            step = settlement(self._keys, self._session.token, outcome, again=again)
            again = True
            await run_async(self._client, step)

        await patiently(self._session, attempt, to_the_last=True)
