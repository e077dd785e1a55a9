"""The pages of replays: dry run, begin, watch, cancel, go on."""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.clock import now_ms
from forwarder.console.address import Address, asked
from forwarder.console.cards import Sign
from forwarder.console.guard import guarded
from forwarder.console.live import live
from forwarder.console.pages import Visit, away, page, rendered
from forwarder.console.shared import Shared
from forwarder.errors import ForwarderError
from forwarder.operations import replays
from forwarder.operations.letter_forms import Chosen
from forwarder.operations.replay_forms import Newest, OneReplay, Replay, ToReplay
from forwarder.settings import DEFAULT_DESTINATION
from forwarder.times import shown_duration

HERE: Final = "Replays"
SIGNS: Final = {
    "running": Sign("running", "info", moving=True),
    "canary": Sign("canary: its outcome is awaited", "info", moving=True),
    "waiting": Sign("waiting for a worker", "warn", moving=True),
    "interrupted": Sign("interrupted", "warn"),
    "done": Sign("done", "good"),
    "stopped": Sign("stopped", "bad"),
    "cancelled": Sign("cancelled", "warn"),
}
RESUMABLE: Final = ("interrupted", "stopped", "cancelled")


@dataclass(frozen=True, slots=True)
class Options:
    """What a replay is to do besides: the fields of its form, as they were given."""

    asked: ToReplay

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """As the fields of a form."""
        found = [("set", one) for one in self.asked.set] + [("unset", one) for one in self.asked.unset]
        for name in ("canary", "rate", "limit", "max_replays", "to"):
            found += [(name, self.first(name))] if self.first(name) else []
        return found

    @property
    def edits(self) -> str:
        """In words; empty for none."""
        return "; ".join([*(f"set {one}" for one in self.asked.set), *(f"without {one}" for one in self.asked.unset)])

    def first(self, name: str) -> str:
        """A field's value; empty for none."""
        value = getattr(self.asked, name)
        return "" if value in (None, 0, "") else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Row:
    """A replay, as shown."""

    replay: Replay

    @property
    def sign(self) -> Sign:
        """Its state."""
        return SIGNS.get(self.replay.state, Sign(self.replay.state))

    @property
    def percent(self) -> int:
        """How much of what was dead has been looked at."""
        if self.replay.state == "done":
            return 100
        return min(100, self.replay.seen * 100 // self.replay.dead) if self.replay.dead else 0

    @property
    def can_cancel(self) -> bool:
        """Whether it is not over."""
        return self.replay.active

    @property
    def can_resume(self) -> bool:
        """Whether somebody may go on with it."""
        return self.replay.state in RESUMABLE

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change any more."""
        return not self.replay.active and not self.replay.under_way

    def option(self, name: str, empty: str) -> str:
        """Another part of its plan."""
        value = self.replay.plan.get(name)
        return empty if value in (None, 0, "") else f"{value:,g}" if isinstance(value, int | float) else str(value)


class Replays:
    """The pages.

    Args:
        shared: what they are made with.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[BaseRoute]:
        """Where they are."""
        access, one = self._shared.access, "/console/replays/{id}"
        return [
            guarded(access, "/console/replay", self.rehearse, role="operator"),
            guarded(access, "/console/replay", self.begin, methods=("POST",)),
            guarded(access, "/console/replays", self.show),
            guarded(access, one, self.show_one),
            guarded(access, f"{one}/live", self.follow),
            guarded(access, f"{one}/cancel", self.cancel, methods=("POST",)),
            guarded(access, f"{one}/resume", self.resume, methods=("POST",)),
        ]

    def rehearse(self, visit: Visit) -> Response:
        """What a replay would do; nothing moves."""
        return self._rehearsed(visit, visit.request.query_params.multi_items())

    def begin(self, visit: Visit) -> Response:
        """Begin it, in the background."""
        try:
            begun = replays.start_replay(self._shared.operator(visit), asked(ToReplay, visit.pairs, "csrf"))
        except ForwarderError as error:
            return self._rehearsed(visit, visit.pairs, problem=str(error))
        return away(f"/console/replays/{begun.id}?destination={visit.given('destination') or DEFAULT_DESTINATION}")

    def _rehearsed(self, visit: Visit, pairs: list[tuple[str, str]], problem: str = "") -> Response:
        plain, found = [(name, value) for name, value in pairs if name != "csrf"], None
        at = self._address(plain)
        options = Options(ToReplay())
        try:
            options = Options(asked(ToReplay, [*at.pairs, *_besides(plain)]))
            found = replays.plan_replay(self._shared.operator(visit), options.asked)
        except ForwarderError as error:
            problem = problem or str(error)
        return page(
            "replay.html",
            person=visit.person,
            here="Dead letters",
            at=at,
            options=options,
            found=found,
            problem=problem,
            estimated=shown_duration(found.estimated_s) if found else "",
            status=422 if problem else 200,
        )

    def _address(self, pairs: list[tuple[str, str]]) -> Address:
        """The letters that are meant; times such as `2h` stand still from now on."""
        others = [name for name, _ in _besides(pairs)]
        chosen = asked(Chosen, pairs, *others)
        return Address(chosen.pinned(now_ms()), self._shared.settings.destination_names, now_ms())

    def show(self, visit: Visit) -> Response:
        """The newest of each destination."""
        operator = self._shared.operator(visit)
        lists = [
            (name, [Row(one) for one in replays.replays(operator, Newest(destination=name))])
            for name in self._shared.settings.destination_names
        ]
        return page("replays.html", person=visit.person, here=HERE, lists=lists)

    def show_one(self, visit: Visit) -> Response:
        """One, as it stands."""
        row, destination = self._row(visit)
        return page("replay_one.html", person=visit.person, here=HERE, row=row, destination=destination)

    async def follow(self, visit: Visit) -> Response:
        """The same, kept up to date until it is over and all its events have arrived somewhere."""

        def fragment() -> tuple[str, bool]:
            row, destination = self._row(visit)
            return rendered("_replay.html", person=visit.person, row=row, destination=destination), row.is_settled

        return live(fragment, self._shared.stopping)

    def cancel(self, visit: Visit) -> Response:
        """End it after the page that is under way."""
        replays.cancel_replay(self._shared.operator(visit), self._one(visit))
        return _back(visit)

    def resume(self, visit: Visit) -> Response:
        """Go on with it, in the background."""
        replays.resume_replay(self._shared.operator(visit), self._one(visit))
        return _back(visit)

    def _row(self, visit: Visit) -> tuple[Row, str]:
        one = self._one(visit)
        return Row(replays.replay(self._shared.operator(visit), one)), one.destination

    def _one(self, visit: Visit) -> OneReplay:
        return OneReplay(destination=_destination(visit), id=visit.request.path_params["id"])


def _destination(visit: Visit) -> str:
    return visit.given("destination") or visit.request.query_params.get("destination") or DEFAULT_DESTINATION


def _back(visit: Visit) -> Response:
    return away(f"/console/replays/{visit.request.path_params['id']}?destination={_destination(visit)}")


def _besides(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of a replay that select no letters."""
    own = set(ToReplay.__struct_fields__) - set(Chosen.__struct_fields__)
    return [(name, value) for name, value in pairs if name in own]
