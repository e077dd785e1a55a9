"""The overview: how every destination does, live."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.console.board import Board
from forwarder.console.guard import guarded
from forwarder.console.live import live
from forwarder.console.pages import Visit, page, rendered
from forwarder.console.shared import Shared


class Overview:
    """The page.

    Args:
        shared: what it is made with.
    """

    def __init__(self, shared: Shared) -> None:
        self._board = Board(shared.settings, shared.client)
        self._shared = shared

    def routes(self) -> list[BaseRoute]:
        """Where it is."""
        access = self._shared.access
        return [guarded(access, "/console/", self.show), guarded(access, "/console/live", self.follow)]

    def show(self, visit: Visit) -> Response:
        """All destinations."""
        return page("overview.html", person=visit.person, here="Overview", view=self._board.view())

    async def follow(self, _: Visit) -> Response:
        """The same, kept up to date."""
        return live(self._fragment, self._shared.stopping)

    def _fragment(self) -> tuple[str, bool]:
        return rendered("_overview.html", view=self._board.view()), False
