"""The table "against peers": others bring the same events to the same sink, beside us, in one run.

Of each kind ours comes first, and the others are told as multiples of it: CPU by our CPU, our events/s by theirs. What
the others are and how they are set up is told where they are: `celery_app`, `rq_job`, `sdks`, `syslog`. Wanted is less
CPU per event and more events/s than each of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table

from tests.benchmarks.peers.ours import Called, Queued
from tests.benchmarks.peers.peer import Cost, Peer
from tests.benchmarks.peers.sdks import Sdk
from tests.benchmarks.peers.syslog import SyslogNg
from tests.benchmarks.peers.tasks import CeleryBatches, RqJobs

Kind = tuple[str, Sequence[Peer]]
KINDS: Final[Sequence[Kind]] = (
    (
        "events that wait, to the sink",
        (
            Queued("our worker, arrays of 500", 500, 1_000_000),
            Queued("our worker, one event per entry", 1, 300_000),
            CeleryBatches(),
            RqJobs("SimpleWorker", 500),
            RqJobs("Worker", 100),
            SyslogNg(),
        ),
    ),
    ("calls of a program, to the sink", (Called(), Sdk("posthog", 50_000), Sdk("segment", 50_000))),
)
HEADS: Final = ("events", "CPU s per million", "by ours", "of it Redis", "events/s", "ours by it", "not arrived", "")


@dataclass(frozen=True, slots=True)
class Line:
    """One of them.

    Attributes:
        name: of the peer.
        cost: of its events; None when it cannot run here.
        ours: what it is held against; None when it is ours itself.
        why: it cannot.
    """

    name: str
    cost: Cost | None
    ours: Cost | None = None
    why: str = ""

    @property
    def cells(self) -> list[str]:
        """As the table shows it."""
        if self.cost is None:
            return [self.name, f"not measured: {self.why}"]
        its, ours = self.cost, self.ours
        return [
            self.name,
            f"{its.events:,}",
            f"{its.cpu:,.2f}",
            f"{its.cpu / ours.cpu:,.1f} x" if ours else "",
            f"{its.redis:,.2f}",
            f"{its.per_s:,.0f}",
            f"{ours.per_s / its.per_s:,.1f} x" if ours else "",
            f"{its.lost:,}",
            ("ok" if ours.cpu < its.cpu and ours.per_s > its.per_s else "NOT MET") if ours else "",
        ]

    def json(self) -> dict[str, Any]:
        """For programs."""
        return {"name": self.name, **(asdict(self.cost) if self.cost else {"why": self.why})}


def measured(peers: Sequence[Peer]) -> Iterator[Line]:
    """Each of a kind, one after the other; the first one is ours."""
    ours: Cost | None = None
    for peer in peers:
        if peer.missing:
            yield Line(peer.name, None, why=peer.missing)
            continue
        try:
            found = peer.measured()
        except RuntimeError as error:
            yield Line(peer.name, None, why=str(error))
            continue
        yield Line(peer.name, found, None if peer.ours else ours)
        ours = ours or found


def table_of(title: str, lines: Sequence[Line]) -> Table:
    """The lines of a kind."""
    table = Table(title, *HEADS, title="")
    for line in lines:
        table.add_row(*line.cells)
    return table
