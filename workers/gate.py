"""The gate of a destination, as one drain sees it: closed while the destination is paused, for the whole fleet."""

import asyncio

from forwarder.log import get_logger
from forwarder.queue.connection import AsyncClient
from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause, read_pause, set_pause
from forwarder.queue.scripts import run_async
from workers.session import Session


class PauseGate:
    """Follows the pause in Redis; `refresh` is called about once a second.

    Args:
        client: of the queue.
        keys: of the destination.
        session: ends waiting at the gate.
        pause_s: how long a pause set by this drain lasts.
    """

    def __init__(self, client: AsyncClient, keys: Keys, session: Session, pause_s: float) -> None:
        self._client = client
        self._keys = keys
        self._session = session
        self._pause_s = pause_s
        self._open = asyncio.Event()
        self._open.set()
        self._log = get_logger()

    async def refresh(self) -> None:
        """Look at the pause."""
        self._show(read_pause(await self._client.hgetall(self._keys.pause)))

    async def passed(self) -> None:
        """Wait until the destination is not paused.

        Raises:
            HandBack: the session ended first.
        """
        if not self._open.is_set():
            await self._session.unless_over(self._open.wait())

    async def close(self, reason: str) -> None:
        """Pause the destination for everybody; a pause that is in force stays as it is."""
        await run_async(self._client, set_pause(self._keys, reason, self._pause_s, replace=False))
        await self.refresh()

    def _show(self, pause: Pause | None) -> None:
        if pause and self._open.is_set():
            self._open.clear()
            self._session.paused = True
            self._log.warning("paused", reason=pause.reason, until_ms=pause.until_ms)
        elif not pause and not self._open.is_set():
            self._open.set()
            self._session.paused = False
            self._log.info("resumed")
