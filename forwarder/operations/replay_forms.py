"""What is asked and answered about replays."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from forwarder.operations.letter_forms import Chosen, Letter, One
from forwarder.operations.operator import Of

COUNT_MAX = 2**53


class ToReplay(Chosen, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a replay is to do; `set` and `unset` as on the command line, `trace_ids` new ones by old ones.

    Attributes:
        set: `field=value` texts.
        unset: fields to leave out.
        trace_ids: what takes the place of which; letters that are not in it stay dead.
        to: the destination, when it is another one.
        limit: most letters.
        rate: most letters per second.
        canary: letters that are sent first, and whose delivery is awaited.
        max_replays: letters that were replayed so often already stay dead.
        name: of the file of trace ids, for messages.
    """

    set: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    trace_ids: dict[str, str] = msgspec.field(default_factory=dict)
    to: str = ""
    limit: Annotated[int, Meta(ge=1, le=COUNT_MAX)] | None = None
    rate: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    canary: Annotated[int, Meta(ge=0, le=COUNT_MAX)] = 0
    max_replays: Annotated[int, Meta(ge=0, le=COUNT_MAX)] | None = None
    name: str = "trace_ids"


class Edited(One, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One letter, and the whole event that is to be sent in its place."""

    body: str


class OneReplay(Of, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One replay."""

    id: str


class Newest(Of, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How many of the newest."""

    limit: int = 20


class Kept(Struct, frozen=True):
    """A letter that would stay dead, or does, and why."""

    id: str
    problem: str


class WouldDo(Struct, frozen=True):
    """The dry run: what a replay would do now. `spent` were replayed too often, `kept` are no valid event."""

    dry_run: bool
    matched: int
    would_move: int
    kept: int
    spent: int
    reasons: dict[str, int]
    estimated_s: float
    first: list[Letter]
    kept_examples: list[Kept]


class Replay(Struct, frozen=True):
    """A replay as it stands.

    Attributes:
        state: `running`, `canary`, `waiting` (for a worker), `interrupted`, `done`, `stopped`, `cancelled`.
        matched: letters of the selection so far.
        moved: back on the queue.
        kept: no valid event, even as edited.
        spent: replayed too often.
        gone: replayed or purged by somebody else meanwhile.
        delivered: events that the upstream has.
        died: events that are dead again.
        under_way: events that wait or are being sent.
        bound: the newest letter's id when it began.
        cursor: the last letter that was looked at.
        dead: letters on the stream when it began.
        seen: letters looked at.
        ids: of those that were begun together, one for each partition, when this is the account of several.
    """

    id: str
    state: str
    matched: int
    moved: int
    kept: int
    spent: int
    gone: int
    delivered: int
    died: int
    under_way: int
    selection: str
    plan: dict[str, Any]
    note: str
    by: str
    background: bool
    bound: str
    cursor: str
    dead: int
    seen: int
    began: str
    updated: str
    ended: str | None
    kept_examples: list[Kept]
    dry_run: bool
    ids: list[str] = msgspec.field(default_factory=list)

    @property
    def active(self) -> bool:
        """Whether it is not over."""
        return self.state not in ("done", "stopped", "cancelled")

    @property
    def edits(self) -> str:
        """What becomes of the events on the way, in words; empty for nothing."""
        found = [f"{name} = {value}" for name, value in self.plan.get("edits", {}).items()]
        found += [f"the event {self.plan['body']}"] if self.plan.get("body") else []
        found += ["trace ids from a map"] if self.plan.get("trace_ids") else []
        return ", ".join(found)

    @property
    def each(self) -> list[str]:
        """The ids of all replays that this is the account of."""
        return self.ids or [self.id]


_ADDED = ("dead", "seen", "matched", "moved", "kept", "spent", "gone", "delivered", "died", "under_way")


def together(replays: Sequence[Replay]) -> Replay:
    """One account of replays that were begun together, under the first one's id; it is over when all are (pure)."""
    first = replays[0]
    if len(replays) == 1:
        return first
    slowest = min(replays, key=lambda one: (not one.active, one.state == "done"))
    ids = [one.id for one in replays]
    note = "; ".join(filter(None, [slowest.note, f"replays {', '.join(ids)}"]))
    examples = [example for one in replays for example in one.kept_examples]
    counts = {name: sum(getattr(one, name) for one in replays) for name in _ADDED}
    return replace(slowest, id=first.id, ids=ids, note=note, kept_examples=examples, **counts)
