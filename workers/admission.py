"""What becomes of an entry before it is part of a batch: it travels, is settled into others, buried, or left there."""

from typing import Final

from forwarder.feedback import codec
from forwarder.log import get_logger
from forwarder.queue import stream
from forwarder.queue.codec import DamagedBody, UnreadableBody
from forwarder.queue.connection import AsyncClient
from forwarder.queue.settlement import Recut
from forwarder.queue.stream import Entry
from forwarder.settings import Settings
from workers.admit import admit, damaged, quarantine
from workers.batch import Capacity, Load
from workers.journal import Journal
from workers.session import Session

LEFT_MAX: Final = 1_000
"""Entries that a drain holds without being able to read them; then it makes way for one that may be."""
_LEFT: Final = "left on the queue; a worker of a newer release, or one that has the key, takes it over"


class Admission:
    """Judges entries for one drain.

    Args:
        client: of the queue; opens sealed bodies.
        session: ended when too much cannot be read.
        settings: limits of an event, and when an entry counts as poison.
        capacity: of a batch; an entry that is larger is cut.
        journal: settles entries that cannot travel.
    """

    def __init__(
        self, client: AsyncClient, session: Session, settings: Settings, capacity: Capacity, journal: Journal
    ) -> None:
        self._client = client
        self._session = session
        self._codec = codec(settings.limits)
        self._poison_after = settings.poison_after
        self._capacity = capacity
        self._journal = journal
        self._left = 0
        self._log = get_logger()

    async def load(self, entry: Entry) -> Load | None:
        """An entry that can travel; None when it had to be settled into others, or buried, or is not for us to read."""
        try:
            admitted = self._judged(entry)
        except UnreadableBody as error:
            self._leave(entry, error)
            return None
        if isinstance(admitted, Load):
            return admitted
        await self._journal.recut(admitted)
        reasons = sorted({letter.reason for letter in admitted.letters})
        pieces, letters = len(admitted.pieces), len(admitted.letters)
        self._log.info("recut", entry=entry.id.decode(), pieces=pieces, letters=letters, reasons=reasons)
        return None

    def _judged(self, entry: Entry) -> Load | Recut:
        """An entry as it can travel, or what becomes of it instead.

        Raises:
            UnreadableBody: it cannot be read here.
        """
        try:
            entry = stream.opened(self._client, entry)
        except DamagedBody as error:
            return damaged(entry, str(error))
        if entry.deliveries > self._poison_after:
            return quarantine(entry, self._codec, whole=entry.deliveries > self._poison_after + 1)
        return admit(entry, self._codec, self._capacity)

    def _leave(self, entry: Entry, error: UnreadableBody) -> None:
        """It stays pending in this drain's name, and is nobody's fault: another worker may be able to read it."""
        if not self._left:  # said once, and not of each
            self._log.error("entry_not_read", entry=entry.id.decode(), reason=str(error), next=_LEFT)
        self._left += 1
        if self._left >= LEFT_MAX:
            self._session.end("it cannot read what is on the queue")
