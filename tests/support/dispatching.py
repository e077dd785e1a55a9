"""A dispatcher whose surroundings are the test's: upstream, gate, journal, room."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from forwarder.queue.histograms import is_bucket
from forwarder.upstream_settings import Upstream
from workers.batch import Batch, Capacity, Piece
from workers.dispatch import Dispatcher
from workers.outcome import Outcome
from workers.session import HandBack, Session
from workers.verdict import Answer, Verdict

ROOMY = Capacity(10_000, 100_000_000)

AGELESS = 1e12
"""The samples are years old."""

QUICK = Upstream(retry_base_ms=1, retry_max_ms=1, retry_max_attempts=4, retry_max_age_s=AGELESS)

OK = Answer(200, b'{"status":"success"}')

Script = Callable[[list[str]], Answer]
"""Answers a request from the trace ids of its events."""


class Upstreamer:
    """Keeps what it was sent, and answers by a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.sent: list[tuple[str, list[str]]] = []
        self.bodies: list[bytes] = []

    async def post(self, body: bytes, key: str) -> Answer:
        trace_ids = [event["trace_id"] for event in json.loads(body)]
        self.sent.append((key, trace_ids))
        self.bodies.append(body)
        return self._script(trace_ids)

    @property
    def delivered(self) -> list[str]:
        """The events of the requests that succeeded."""
        return [one for _, trace_ids in self.sent if self._script(trace_ids) == OK for one in trace_ids]


@dataclass
class Pass:
    """The right to send one request."""

    door: "Door"
    probe: bool

    def note(self, verdict: Verdict, seconds: float) -> None:
        assert seconds >= 0
        self.door.verdicts.append(verdict)
        assert len(self.door.verdicts) < 2_000, "a dispatch that never ends"


class Door:
    """A gate that keeps what came of the requests that passed it; `probes` of them are probes."""

    def __init__(self, *, probes: int = 0, holds: Capacity = ROOMY) -> None:
        self.verdicts: list[Verdict] = []
        self.is_open = True
        self.capacity = holds
        self.opened = asyncio.Event()
        self.opened.set()
        self._probes = probes

    @asynccontextmanager
    async def passage(self, piece: Piece) -> AsyncIterator[Pass]:
        assert piece.count
        await self.opened.wait()
        self._probes -= 1
        yield Pass(self, probe=self._probes >= 0)


class Notebook:
    """Keeps which attempt was about to be made, and how many events may have arrived already."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.lost = False

    async def begin(self, outcome: Outcome, attempts: int) -> None:
        if self.lost:
            raise HandBack
        self.begun.append((attempts, outcome.tally["ambiguous"]))


class Chamber:
    """Counts who rests."""

    def __init__(self) -> None:
        self.rests = 0

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        self.rests += 1
        yield


def in_turn(*answers: Answer) -> Script:
    """One answer after the other, whatever is sent."""
    left = iter(answers)
    return lambda _: next(left)


def refusing(bad: Iterable[str], status: int = 400) -> Script:
    """Refuses a body that holds any of these events."""
    refused = set(bad)
    return lambda trace_ids: Answer(status, b'{"message":"bad"}') if refused & set(trace_ids) else OK


def new_session() -> Session:
    return Session("default", 0, "token", idle_s=5, longest_s=300)


def dispatcher(
    poster: Upstreamer,
    upstream: Upstream = QUICK,
    *,
    door: Door | None = None,
    session: Session | None = None,
    notebook: Notebook | None = None,
    chamber: Chamber | None = None,
) -> Dispatcher:
    return Dispatcher(
        upstream,
        session or new_session(),
        poster=poster,
        gate=door or Door(),
        journal=notebook or Notebook(),
        room=chamber or Chamber(),
    )


def dispatched(made: Batch, poster: Upstreamer, upstream: Upstream = QUICK, door: Door | None = None) -> Outcome:
    """Run one dispatch to its end."""

    async def run() -> Outcome:
        return await dispatcher(poster, upstream, door=door).dispatch(made)

    return asyncio.run(run())


def counted(outcome: Outcome) -> Counter[str]:
    """What the requests have earned, without the distribution of their round trips."""
    return Counter({name: count for name, count in outcome.tally.items() if not is_bucket(name)})


def names(indices: Iterable[int]) -> list[str]:
    return [f"t{index}" for index in indices]


def refused(outcome: Outcome) -> list[tuple[int, int]]:
    return [(refusal.piece.indices[0], refusal.piece.indices[-1] + 1) for refusal in outcome.refusals]
