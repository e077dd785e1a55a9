"""The overview: how every destination does, live."""

import asyncio

from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.console.access import Access
from forwarder.console.board import Board
from forwarder.console.guard import guarded
from forwarder.console.live import live
from forwarder.console.pages import Visit, page, rendered
from forwarder.queue.connection import Client
from forwarder.settings import Settings


class Overview:
    """The page.

    Args:
        settings: name the destinations.
        client: of the queue.
        stopping: set when the server stops.
    """

    def __init__(self, settings: Settings, client: Client, stopping: asyncio.Event) -> None:
        self._board = Board(settings, client)
        self._stopping = stopping

    def routes(self, access: Access) -> list[BaseRoute]:
        """Where it is."""
        return [guarded(access, "/console/", self.show), guarded(access, "/console/live", self.follow)]

    def show(self, visit: Visit) -> Response:
        """All destinations."""
        return page("overview.html", person=visit.person, here="Overview", view=self._board.view())

    async def follow(self, _: Visit) -> Response:
        """The same, kept up to date."""
        return live(self._fragment, self._stopping)

    def _fragment(self) -> tuple[str, bool]:
        return rendered("_overview.html", view=self._board.view()), False
