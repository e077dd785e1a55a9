"""All operations in one table: from it come the routes of /api, their description, and the client of `--url`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from forwarder.operations import deeds, destinations, letters, replays, status
from forwarder.operations.letter_forms import (
    Chosen,
    Grouping,
    Groups,
    ImportDone,
    Letter,
    Letters,
    One,
    Paging,
    PurgeDone,
    Stats,
    ToImport,
    ToPurge,
)
from forwarder.operations.operator import Nothing, Of, Operator
from forwarder.operations.replay_forms import Edited, Newest, OneReplay, Replay, ToReplay, WouldDo
from forwarder.queue.trail import Deed

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Asked, Answer]):
    """One of them.

    Attributes:
        name: of the operation, in words with underscores.
        method: of HTTP.
        path: with what stands in it in braces, as fields of `asked`.
        asked: what it takes: from the path, the query (GET) or the JSON body (POST).
        answer: what it answers.
        run: does it.
        about: what it does, one line.
        changes: whether an operator is needed.
    """

    name: str
    method: str
    path: str
    asked: type[Asked]
    answer: Any
    run: Callable[[Operator, Asked], Answer]
    about: str
    changes: bool = False


STATUS: Final = Operation(
    "status", "GET", "/api/status", Nothing, dict[str, status.Status], status.status, "How all destinations do"
)
AUDIT: Final = Operation(
    *("audit", "GET", "/api/audit", status.HowDeep, dict[str, status.Audit], status.audit),
    "The books of all destinations, and whether they close",
)
LETTERS: Final = Operation(
    *("letters", "GET", "/api/dead-letters", Paging, Letters, letters.letters),
    "A page of the dead letters that all filters mean",
)
GROUPS: Final = Operation(
    *("groups", "GET", "/api/dead-letters/groups", Grouping, Groups, letters.groups),
    "What dead letters died of, grouped by status and message",
)
STATS: Final = Operation(
    *("stats", "GET", "/api/dead-letters/stats", Chosen, Stats, letters.stats),
    "Counts of dead letters by reason, status and error",
)
EXPORT: Final[Operation[Chosen, Iterator[bytes]]] = Operation(
    *("export", "GET", "/api/dead-letters/export", Chosen, bytes, letters.export),
    "Dead letters as JSON lines, without secrets",
)
IMPORT: Final = Operation(
    *("import", "POST", "/api/dead-letters/import", ToImport, ImportDone, letters.import_),
    "Bring exported letters back, each once",
    changes=True,
)
PURGE: Final = Operation(
    *("purge", "POST", "/api/dead-letters/purge", ToPurge, PurgeDone, letters.purge),
    "Delete dead letters for good",
    changes=True,
)
LETTER: Final = Operation(
    *("letter", "GET", "/api/dead-letters/{id}", One, Letter, letters.letter),
    "One dead letter in full",
)
REPLAY_EDITED: Final = Operation(
    *(
        "replay_edited",
        "POST",
        "/api/dead-letters/{id}/replay",
        Edited,
        Replay,
        replays.replay_edited,
    ),
    "Replay one letter with another event in its place",
    changes=True,
)
REPLAYS: Final = Operation(
    *("replays", "GET", "/api/replays", Newest, list[Replay], replays.replays),
    "The newest replays",
)
START_REPLAY: Final = Operation(
    *("start_replay", "POST", "/api/replays", ToReplay, Replay, replays.start_replay),
    "Begin a replay, which a worker runs",
    changes=True,
)
PLAN_REPLAY: Final = Operation(
    *("plan_replay", "POST", "/api/replays/plan", ToReplay, WouldDo, replays.plan_replay),
    "What a replay would do; nothing moves",
)
REPLAY: Final = Operation(
    *("replay", "GET", "/api/replays/{id}", OneReplay, Replay, replays.replay),
    "One replay, with the outcomes of its events",
)
CANCEL_REPLAY: Final = Operation(
    *(
        "cancel_replay",
        "POST",
        "/api/replays/{id}/cancel",
        OneReplay,
        Replay,
        replays.cancel_replay,
    ),
    "End a replay after the page that is under way",
    changes=True,
)
RESUME_REPLAY: Final = Operation(
    *(
        "resume_replay",
        "POST",
        "/api/replays/{id}/resume",
        OneReplay,
        Replay,
        replays.resume_replay,
    ),
    "Go on with a replay that is over but not done",
    changes=True,
)
DESTINATIONS: Final = Operation(
    *("destinations", "GET", "/api/destinations", Nothing, list[destinations.Destination], destinations.destinations),
    "All destinations: settings with their origin, and what was learned of them",
)
PAUSE: Final = Operation(
    *("pause", "POST", "/api/destinations/{destination}/pause", destinations.ToPause, destinations.PauseBegun),
    destinations.pause,
    "Send nothing to a destination for now",
    changes=True,
)
RESUME: Final = Operation(
    *("resume", "POST", "/api/destinations/{destination}/resume", Of, destinations.PauseEnded, destinations.resume),
    "End the pause of a destination",
    changes=True,
)
WORKERS: Final = Operation(
    *("workers", "GET", "/api/workers", Nothing, destinations.Crew, destinations.crew),
    "Workers and drains, and what they do now",
)
TRAIL: Final = Operation(
    *("trail", "GET", "/api/trail", deeds.Recent, list[Deed], deeds.deeds), "What operators did, the newest first"
)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    *(STATUS, AUDIT, LETTERS, GROUPS, STATS, EXPORT, IMPORT, PURGE, LETTER, REPLAY_EDITED),
    *(REPLAYS, START_REPLAY, PLAN_REPLAY, REPLAY, CANCEL_REPLAY, RESUME_REPLAY),
    *(DESTINATIONS, PAUSE, RESUME, WORKERS, TRAIL),
)
"""In the order in which paths are looked for."""
