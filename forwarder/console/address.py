"""Which dead letters a page is about, and the URLs that say so: a link that is shared shows the same (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec.structs import replace

from forwarder.dead.selection import NO_STATUS
from forwarder.errors import UsageError
from forwarder.operations.letter_forms import Alike, Chosen
from forwarder.queue.dead_letters import REASONS

LETTERS: Final = "/console/dead-letters"
SEVERAL: Final = frozenset({"id", "reason", "status", "set", "unset"})
"""Fields that may be given more than once."""
_WIDE: Final = ("destination", "reason", "status", "since", "contains", "trace_id")
"""Fields that the form always shows; the others are folded away while they are empty."""

Asked = TypeVar("Asked", bound=Chosen)


@dataclass(frozen=True, slots=True)
class Address:
    """What a page is about.

    Attributes:
        chosen: destination and filters.
        destinations: all that there are.
        now_ms: the moment from which times such as `2h` count.
    """

    chosen: Chosen
    destinations: list[str]
    now_ms: int
    reasons: tuple[str, ...] = REASONS

    @property
    def destination(self) -> str:
        """Whose letters."""
        return self.chosen.destination

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """As the fields of a form."""
        return [("destination", self.destination), *self.chosen.query]

    @property
    def described(self) -> str:
        """For people.

        Raises:
            UsageError: a filter that cannot be.
        """
        return self.chosen.selection(self.now_ms).describe()

    @property
    def is_narrow(self) -> bool:
        """Whether a filter is given that the form folds away."""
        return any(name not in (*_WIDE, "id") for name, _ in self.pairs)

    def first(self, name: str) -> str:
        """A filter's value, for its field in the form."""
        return next((value for given, value in self.pairs if given == name), "")

    def url(self, path: str, **extra: str) -> str:
        """Another page about the same letters."""
        return f"{path}?{urlencode([*self.pairs, *extra.items()])}"

    def of_letter(self, letter_id: str) -> str:
        """The page of one letter, from which there is a way back."""
        return self.url(f"{LETTERS}/{quote(letter_id, safe='')}")

    def of_group(self, group: Alike) -> str:
        """Those of these letters that died of the same."""
        status = NO_STATUS if group.status is None else str(group.status)
        return self._with(status=(status,), message=group.message)

    def of_batch(self, batch: str) -> str:
        """All letters of a batch."""
        return Address(Chosen(destination=self.destination, batch=batch), [], self.now_ms).url(LETTERS)

    def _with(self, **filters: Any) -> str:  # noqa: ANN401 - of any filter
        return Address(replace(self.chosen, **filters), [], self.now_ms).url(LETTERS)


def asked(kind: type[Asked], pairs: Iterable[tuple[str, str]], *others: str) -> Asked:
    """What a query or a form asks for; empty fields are those that were left empty.

    Args:
        kind: of what is asked for.
        pairs: names and values.
        others: fields that are not part of it.

    Raises:
        UsageError: there is no such field, or a value is no number where one is wanted; names it.
    """
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in others or not value.strip():
            continue
        if name in SEVERAL:
            fields.setdefault(name, []).append(value.strip())
        else:
            fields[name] = value if name == "message" else value.strip()
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(_in_words(str(error), fields)) from None


def _in_words(problem: str, fields: Mapping[str, Any]) -> str:
    """In our words what msgspec puts so: `Expected `int` - at `$.canary``."""
    what, _, path = problem.partition(" - at `$.")
    name = path.rstrip("`")
    return f"{name.replace('_', ' ')}: {fields[name]!r} is no number" if name in fields else what
