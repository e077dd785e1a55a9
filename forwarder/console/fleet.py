"""The pages of destinations and workers: pause and resume, limits and where each came from, who does what now."""

from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.clock import now_ms
from forwarder.console.cards import Sign, paused_sign
from forwarder.console.guard import guarded
from forwarder.console.live import live
from forwarder.console.pages import Visit, away, page, rendered
from forwarder.console.shared import Shared
from forwarder.errors import UsageError
from forwarder.operations import destinations
from forwarder.operations.destinations import Destination, ToPause
from forwarder.operations.operator import Nothing, Of, Operator
from forwarder.queue.crew import WorkerSeen
from forwarder.times import parse_moment_ms, shown_duration, shown_moment

BY_HAND: Final = "by hand"
STATES: Final = {"busy": Sign("busy", "info", moving=True), "idle": Sign("idle", "good")}


@dataclass(frozen=True, slots=True)
class Place:
    """A destination, as shown."""

    found: Destination

    @property
    def sign(self) -> Sign:
        """Whether somebody sends to it."""
        paused = self.found.paused
        if paused:
            return paused_sign(paused.kind)
        return Sign("probing", "warn", moving=True) if self.found.learned.breaker_open else Sign("open", "good")

    @property
    def why(self) -> str:
        """Why nobody does; empty when somebody does."""
        paused = self.found.paused
        if paused is None:
            return ""
        until = "somebody resumes it" if paused.until_ms is None else shown_moment(paused.until_ms)
        return f"{paused.reason} · since {shown_moment(paused.since_ms)}, until {until}"

    @property
    def learned(self) -> list[tuple[str, str]]:
        """What the fleet has learned of it, in words."""
        found = self.found.learned
        fits = [f"{found.fits.events:,} events"] if found.fits.events else []
        fits += [f"{found.fits.bytes:,} bytes"] if found.fits.bytes else []
        return [
            ("Requests at once", f"{found.concurrency:,}"),
            ("Fits into a request", " and ".join(fits) or "all that was tried"),
            ("Round trip at rest", f"{found.base_rtt_ms:g} ms" if found.base_rtt_ms else "not known yet"),
            ("Failures in a row", f"{found.failures_in_a_row:,}"),
        ]


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker, as shown."""

    seen: WorkerSeen
    now_ms: int

    @property
    def sign(self) -> Sign:
        """What state it is in."""
        return STATES.get(self.seen.state, Sign(self.seen.state))

    @property
    def heard(self) -> str:
        """How long ago it was heard of."""
        return self._ago(self.seen.heartbeat)

    @property
    def born(self) -> str:
        """How long ago it began."""
        return self._ago(self.seen.born)

    def _ago(self, moment: str) -> str:
        """RQ writes ISO times; what is none, whoever wrote it, is shown as it is."""
        try:
            at_ms = parse_moment_ms(moment, self.now_ms)
        except UsageError:
            return moment
        return f"{shown_duration(max(0, self.now_ms - at_ms) / 1000)} ago"


class Fleet:
    """The pages.

    Args:
        shared: what they are made with.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[BaseRoute]:
        """Where they are."""
        access, one = self._shared.access, "/console/destinations/{destination}"
        return [
            guarded(access, "/console/destinations", self.show),
            guarded(access, f"{one}/pause", self.pause, methods=("POST",)),
            guarded(access, f"{one}/resume", self.resume, methods=("POST",)),
            guarded(access, "/console/workers", self.show_workers),
            guarded(access, "/console/workers/live", self.follow_workers),
        ]

    def show(self, visit: Visit) -> Response:
        """All destinations."""
        found = destinations.destinations(self._shared.operator(visit), Nothing())
        return page("destinations.html", person=visit.person, here="Destinations", places=[Place(one) for one in found])

    def pause(self, visit: Visit) -> Response:
        """Send nothing to one."""
        name, reason = visit.request.path_params["destination"], visit.given("reason").strip()
        destinations.pause(self._shared.operator(visit), ToPause(destination=name, reason=reason or BY_HAND))
        return away("/console/destinations")

    def resume(self, visit: Visit) -> Response:
        """Send to it again."""
        name = visit.request.path_params["destination"]
        destinations.resume(self._shared.operator(visit), Of(destination=name))
        return away("/console/destinations")

    def show_workers(self, visit: Visit) -> Response:
        """Who does what."""
        crew = _crew(self._shared.operator(visit))
        return page("workers.html", person=visit.person, here="Workers", **crew)

    async def follow_workers(self, visit: Visit) -> Response:
        """The same, kept up to date."""
        operator = self._shared.operator(visit)

        def fragment() -> tuple[str, bool]:
            return rendered("_workers.html", **_crew(operator)), False

        return live(fragment, self._shared.stopping)


def _crew(operator: Operator) -> dict[str, Any]:
    crew = destinations.crew(operator, Nothing())
    return {"hands": [Hand(one, now_ms()) for one in crew.workers], "drains": crew.drains}
