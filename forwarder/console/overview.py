"""The overview: how every destination does."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.console.access import Access
from forwarder.console.guard import guarded
from forwarder.console.pages import Visit, page
from forwarder.queue.connection import Client
from forwarder.settings import Settings


class Overview:
    """The page.

    Args:
        settings: name the destinations.
        client: of the queue.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client

    def routes(self, access: Access) -> list[BaseRoute]:
        """Where it is."""
        return [guarded(access, "/console/", self.show)]

    def show(self, visit: Visit) -> Response:
        """All destinations."""
        return page("overview.html", person=visit.person, destinations=self._settings.destination_names)
