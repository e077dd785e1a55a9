"""/console and /api beside the ingest: decided by the path, imported when it is first asked for."""

import asyncio
from typing import TYPE_CHECKING, Final

from forwarder.answers import Reply, error_reply
from forwarder.errors import ForwarderError
from forwarder.extras import is_installed, require
from forwarder.ingest.asgi import Receive, Scope, Send
from forwarder.settings import Settings

if TYPE_CHECKING:
    from forwarder.console.app import Console

_ROOTS: Final = ("/console", "/api")


def is_for_operators(path: str) -> bool:
    """Whether a path is the console's or the API's."""
    return path.startswith(("/console/", "/api/")) or path in _ROOTS


def is_offered(settings: Settings) -> bool:
    """Whether the console and `/api` are served: they are wanted, and installed."""
    return settings.console and is_installed("console")


class Mounted:
    """The console, once somebody has asked for it: whoever only sends feedback pays nothing for it.

    Args:
        settings: in force.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._console: Console | None = None

    async def refusal(self, path: str) -> Reply | None:
        """Why it cannot be had; None when it can."""
        if not self._settings.console:
            return error_reply(404, f"there is nothing at {path[:80]}: FORWARDER_CONSOLE is off")
        try:
            require("console")
        except ForwarderError as error:
            return error_reply(501, str(error))
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        async with self._lock:
            if self._console is None:
                self._console = await asyncio.to_thread(_made, self._settings)
        await self._console.serve(scope, receive, send)

    def stop(self) -> None:
        """Ask answers without an end to come to one."""
        if self._console is not None:
            self._console.stopping.set()

    async def close(self) -> None:
        """Let its connections go."""
        if self._console is not None:
            await asyncio.to_thread(self._console.close)


def _made(settings: Settings) -> "Console":
    from forwarder.console.app import Console  # noqa: PLC0415 - an extra, and a tenth of a second

    return Console(settings)
