"""The pages of the dead letters: what they died of, each in full, mended by hand, exported, purged."""

from typing import Any, Final

from msgspec.structs import replace
from starlette.responses import Response
from starlette.routing import BaseRoute

from forwarder.clock import now_ms
from forwarder.console.address import LETTERS, Address, asked
from forwarder.console.guard import guarded
from forwarder.console.pages import Visit, away, download, page
from forwarder.console.shared import Shared
from forwarder.errors import UsageError
from forwarder.operations import letters
from forwarder.operations.letter_forms import Chosen, Grouping, Letter, One, Paging, ToPurge
from forwarder.operations.replay_forms import Edited
from forwarder.operations.replays import replay_edited
from forwarder.queue import dead_letters
from forwarder.times import iso_moment

SHOWN: Final = 50
LOOKED_AT: Final = 50_000
"""Letters that the groups of a page are made of, unless all are asked for: a third of a second."""
HERE: Final = "Dead letters"
ROWS_MAX: Final = 30
NOTHING: Final[dict[str, Any]] = {
    "letters": [],
    "groups": [],
    "more": None,
    "total": 0,
    "next": None,
    "start": None,
    "problem": "",
}
"""What a page shows that has nothing to show."""


class Letters:
    """The pages.

    Args:
        shared: what they are made with.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def routes(self) -> list[BaseRoute]:
        """Where they are."""
        access = self._shared.access
        return [
            guarded(access, LETTERS, self.show),
            guarded(access, f"{LETTERS}/{{id}}", self.show_one),
            guarded(access, f"{LETTERS}/{{id}}", self.replay_one, methods=("POST",)),
            guarded(access, "/console/export", self.export),
            guarded(access, "/console/purge", self.ask_purge, role="operator"),
            guarded(access, "/console/purge", self.purge, methods=("POST",)),
            guarded(access, "/console/purged", self.purged),
        ]

    def show(self, visit: Visit) -> Response:
        """Groups, and a page of letters."""
        try:
            at = self.address(visit, "start", "all")
            at.chosen.selection(at.now_ms)
        except UsageError as error:
            at = Address(Chosen(), self._shared.settings.destination_names, now_ms())
            return self._page(visit, at, problem=str(error), status=400)
        operator, query, fields = self._shared.operator(visit), visit.request.query_params, _fields(at.chosen)
        start = query.get("start") or None
        found = letters.letters(operator, Paging(**fields, limit=SHOWN, start=start))
        looked_at_max = 0 if query.get("all") else LOOKED_AT
        alike = letters.groups(operator, Grouping(**fields, limit=SHOWN, looked_at_max=looked_at_max))
        total = sum(dead_letters.count(operator.client, keys) for keys in operator.partitions(at.destination))
        return self._page(
            visit, at, letters=found.letters, next=found.next, start=start, groups=alike.groups, more=alike, total=total
        )

    def _page(self, visit: Visit, at: Address, status: int = 200, **context: Any) -> Response:  # noqa: ANN401 - whatever it shows
        return page(
            "dead_letters.html",
            person=visit.person,
            here=HERE,
            at=at,
            status=status,
            looked_at=LOOKED_AT,
            **(NOTHING | context),
        )

    def show_one(self, visit: Visit) -> Response:
        """One letter in full."""
        at = self.address(visit)
        return self._one(visit, at, self._letter(visit, at))

    def replay_one(self, visit: Visit) -> Response:
        """Send one, as it was mended by hand."""
        at, body = self.address(visit), visit.given("body")
        letter = self._letter(visit, at)
        try:
            begun = replay_edited(
                self._shared.operator(visit), Edited(destination=at.destination, id=letter.id, body=body)
            )
        except UsageError as error:
            return self._one(visit, at, letter, body=body, problem=str(error), status=422)
        return away(at.url(f"/console/replays/{begun.id}"))

    def _letter(self, visit: Visit, at: Address) -> Letter:
        asked_for = One(destination=at.destination, id=visit.request.path_params["id"])
        return letters.letter(self._shared.operator(visit), asked_for)

    def _one(self, visit: Visit, at: Address, letter: Letter, status: int = 200, **typed: str) -> Response:
        body = typed.get("body", "\n".join(letters.laid_out(letter.body)))
        return page(
            "dead_letter.html",
            person=visit.person,
            here=HERE,
            at=at,
            letter=letter,
            status=status,
            body=body,
            rows=min(ROWS_MAX, body.count("\n") + 3),
            problem=typed.get("problem", ""),
        )

    def export(self, visit: Visit) -> Response:
        """The selection as a file of JSON lines."""
        at = self.address(visit)
        return download(letters.export(self._shared.operator(visit), at.chosen), at.destination)

    def ask_purge(self, visit: Visit) -> Response:
        """How many would be deleted; those that die meanwhile are not among them."""
        at = self.address(visit)
        pinned = at.chosen.pinned(at.now_ms)
        at = Address(replace(pinned, until=pinned.until or iso_moment(at.now_ms)), at.destinations, at.now_ms)
        count = letters.count(self._shared.operator(visit), at.chosen)
        return page("purge.html", person=visit.person, here=HERE, at=at, count=count)

    def purge(self, visit: Visit) -> Response:
        """Delete them."""
        if visit.given("sure") != "yes":
            raise UsageError("say that you are sure: nothing was purged")
        chosen = asked(ToPurge, visit.pairs, "csrf", "sure")
        done = letters.purge(self._shared.operator(visit), chosen)
        return away(f"/console/purged?destination={chosen.destination}&purged={done.purged}&gone={done.gone}")

    def purged(self, visit: Visit) -> Response:
        """How many were."""
        query = visit.request.query_params
        purged, gone = (int(count) if (count := query.get(name, "")).isdecimal() else 0 for name in ("purged", "gone"))
        destination = query.get("destination", "")
        return page("purged.html", person=visit.person, here=HERE, destination=destination, purged=purged, gone=gone)

    def address(self, visit: Visit, *others: str) -> Address:
        """What the URL is about.

        Raises:
            UsageError: it names a filter that there is not.
        """
        query = visit.request.query_params.multi_items()
        return Address(asked(Chosen, query, *others), self._shared.settings.destination_names, now_ms())


def _fields(chosen: Chosen) -> dict[str, Any]:
    return {name: getattr(chosen, name) for name in Chosen.__struct_fields__}
