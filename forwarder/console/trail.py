"""The page of the trail: what operators changed."""

from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.console.guard import guarded
from forwarder.console.pages import Visit, page
from forwarder.console.shared import Shared
from forwarder.operations.deeds import Recent, deeds

SHOWN: Final = 50


class Trail:
    """The page.

    Args:
        shared: what it is made with.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[BaseRoute]:
        """Where it is."""
        return [guarded(self._shared.access, "/console/trail", self.show)]

    def show(self, visit: Visit) -> Response:
        """A page of deeds, the newest first."""
        before = visit.request.query_params.get("before", "")
        found = deeds(self._shared.operator(visit), Recent(limit=SHOWN, before=before))
        following = found[-1].id if len(found) == SHOWN else ""
        return page("trail.html", person=visit.person, here="Trail", deeds=found, before=before, next=following)
