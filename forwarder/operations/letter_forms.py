"""What is asked and answered about dead letters."""

from msgspec import UNSET, Struct, UnsetType

from forwarder.dead.filters import Filters
from forwarder.operations.operator import Of
from forwarder.settings import DEFAULT_DESTINATION


class Chosen(Filters, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Letters of a destination: those for which all filters hold."""

    destination: str = DEFAULT_DESTINATION


class Paging(Chosen, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of them: `start` is the `next` of the page before."""

    limit: int = 100
    start: str | None = None
    newest_first: bool = True


class Grouping(Chosen, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The largest groups; 0 for all that are kept apart. Of very many letters only the oldest `looked_at_max`."""

    limit: int = 50
    looked_at_max: int = 0


class One(Of, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One letter."""

    id: str


class ToPurge(Chosen, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to delete for good: a filter, or `all`."""

    all: bool = False


class ToImport(Of, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Lines of an export; `name` and `first_line` are for messages, `again` takes what was imported before as well."""

    lines: list[str]
    name: str = "import"
    first_line: int = 1
    again: bool = False


class Letter(Struct, frozen=True):
    """A dead letter; `at` and the id begin with milliseconds since 1970.

    Attributes:
        body: the event; what is not UTF-8 is shown with replacement characters.
        body_base64: all of such a body; else left out.
    """

    id: str
    body: str
    reason: str
    status: int | None
    error: str
    attempts: int
    at: int
    source: str
    batch: str
    entry: str
    replays: int
    body_base64: str | UnsetType = UNSET


class Letters(Struct, frozen=True):
    """A page; `next` is null when it is the last one."""

    letters: list[Letter]
    next: str | None


class Example(Struct, frozen=True):
    """The first letter of a group."""

    id: str
    error: str


class Alike(Struct, frozen=True):
    """Letters with the same status and the same message but for values, ids and numbers."""

    status: int | None
    message: str
    count: int
    first: str
    last: str
    first_ms: int
    last_ms: int
    reasons: dict[str, int]
    sources: dict[str, int]
    example: Example


class Groups(Struct, frozen=True):
    """The largest groups, how many there are, and the letters in all of them; `partial` when there were more."""

    groups: list[Alike]
    found: int
    total: int
    partial: bool = False


class ErrorCount(Struct, frozen=True):
    """How many died of a message."""

    error: str
    count: int


class Stats(Struct, frozen=True):
    """Counts, the commonest first."""

    total: int
    reasons: dict[str, int]
    statuses: dict[str, int]
    errors: list[ErrorCount]
    first: str | None
    last: str | None


class PurgeDone(Struct, frozen=True):
    """What a purge did; `gone` were replayed or purged by somebody else meanwhile."""

    matched: int
    purged: int
    gone: int


class ImportDone(Struct, frozen=True):
    """What an import did; `flaw` says which line is no letter: those before it are imported."""

    imported: int
    present: int
    flaw: str | None = None
