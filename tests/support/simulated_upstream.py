"""A fleet of drains against an upstream, event by event on a clock of its own: minutes of it take a second."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from tests.support.simulated_fleet import Fleet, Report

TRIP_MS = 1.0
"""To the upstream and back."""
EXCHANGE_MS = 1.0
"""To Redis and back."""
EXCHANGE_EVERY_MS = 200.0
ENDLESS = 1_000
"""More than any limit here."""


@dataclass
class Upstream:
    """Takes so many requests at once and refuses the others, or so many and lets the others wait, or all.

    Attributes:
        latency_ms: of one request.
        capacity: requests at once; those beyond are pushed back at once. None: all are taken.
        servers: requests that it works on at once; those beyond wait. None: as many as are taken.
        failing: the share of requests that are pushed back for no reason of ours.
        noise: a factor of each latency.
    """

    latency_ms: float = 50.0
    capacity: int | None = None
    servers: int | None = None
    failing: float = 0.0
    noise: Callable[[Random], float] = lambda _: 1.0
    _busy: list[float] = field(default_factory=list)

    def take(self, now_ms: float, random: Random) -> tuple[float, bool]:
        """When a request is answered, and whether it was taken."""
        while self._busy and self._busy[0] <= now_ms:
            heapq.heappop(self._busy)
        full = self.capacity is not None and len(self._busy) >= self.capacity
        if full or (self.failing and random.random() < self.failing):
            return now_ms, False
        waits = len(self._busy) - self.servers if self.servers is not None else -1
        begins_ms = heapq.nsmallest(waits + 1, self._busy)[-1] if waits >= 0 else now_ms
        ends_ms = begins_ms + self.latency_ms * self.noise(random)
        heapq.heappush(self._busy, ends_ms)
        return ends_ms, True


class Drain:
    """Sends as much as it may, and exchanges: now and then, when pushed back, and when it is down to its share."""

    def __init__(self, simulation: "Simulation", name: str, demand: Callable[[float], int]) -> None:
        self._simulation = simulation
        self.name = name
        self._demand = demand
        self.share = 0
        self.epoch = -1
        self.in_flight = 0
        self.alive = True
        self._excess = False
        self._exchanging = False
        self._leaving = False
        self._begin()

    def _begin(self) -> None:
        self._peak = self.in_flight
        self._answered = self._pushed_back = 0
        self._rtt_ms = self._rtt_ms2 = 0.0

    def die(self) -> None:
        """Fall silent; the answers to what is in flight reach nobody."""
        self.alive = False

    def leave(self) -> None:
        """End in order: wait for what is in flight, then tell the others."""
        self.alive = False
        self._leaving = True
        self._leave_when_done()

    def _leave_when_done(self) -> None:
        if self._leaving and not self.in_flight:
            self._simulation.fleet.members.pop(self.name, None)

    @property
    def wants(self) -> int:
        """What it could have in flight now."""
        return self._demand(self._simulation.now_ms)

    def beat(self) -> None:
        """Exchange, again and again."""
        if self.alive:
            self.exchange()
            pause_ms = EXCHANGE_EVERY_MS * self._simulation.random.uniform(0.95, 1.05)
            self._simulation.after(pause_ms, self.beat)

    def exchange(self) -> None:
        """Report and learn the share; one exchange at a time."""
        if self.alive and not self._exchanging:
            self._exchanging = True
            self._simulation.after(EXCHANGE_MS / 2, self._report)

    def _report(self) -> None:
        if not self.alive:
            return
        report = Report(
            self.epoch,
            self.in_flight,
            max(self.wants, self.in_flight),
            self._peak,
            self._answered,
            self._rtt_ms,
            self._rtt_ms2,
            self._pushed_back,
        )
        self._begin()
        share, epoch = self._simulation.exchange(self.name, report)
        self._simulation.after(EXCHANGE_MS / 2, lambda: self._told(share, epoch))

    def _told(self, share: int, epoch: int) -> None:
        self._exchanging = False
        self.share = share
        if epoch != self.epoch:
            self.epoch = epoch
            self._begin()
        self._excess = self.in_flight > share
        if self._pushed_back:
            self.exchange()
        self.send()

    def send(self) -> None:
        """Send what it may; nothing new while the fleet has not answered to a push-back."""
        most = min(self.share, self.wants)
        while self.alive and self.in_flight < most and not (self._exchanging and self._pushed_back):
            self.in_flight += 1
            self._peak = max(self._peak, self.in_flight)
            self._simulation.request(self)

    def answer(self, rtt_ms: float, epoch: int, *, taken: bool) -> None:
        """The answer to a request that was sent in this epoch."""
        self.in_flight -= 1
        current = epoch == self.epoch
        if taken and current:
            self._answered += 1
            self._rtt_ms += rtt_ms
            self._rtt_ms2 += rtt_ms * rtt_ms
        elif not taken:
            self._pushed_back += current
            self.exchange()
        if self._excess and self.in_flight == self.share:
            self.exchange()
        self.send()
        self._leave_when_done()


@dataclass(frozen=True)
class Passed:
    """What happened in a span of time.

    Attributes:
        per_s: successful requests per second.
        pushed_back: the share of all requests.
        rtt_ms: the mean round trip of the successful ones.
    """

    per_s: float
    pushed_back: float
    rtt_ms: float


class Simulation:
    """An upstream and the drains that send to it.

    Args:
        upstream: it may be changed while it runs.
        drains: how many; they come one by one within an exchange.
        maximum: of the limit.
        seed: of all chance.
        demand: how many requests each would have in flight at a time (ms).
    """

    def __init__(
        self,
        upstream: Upstream,
        drains: int,
        *,
        maximum: int = ENDLESS,
        seed: int = 1,
        demand: Callable[[float], int] = lambda _: ENDLESS,
    ) -> None:
        self.upstream = upstream
        self.fleet = Fleet(maximum)
        self.random = Random(seed)  # noqa: S311 - repeatable
        self.now_ms = 0.0
        self.drains = [Drain(self, f"drain-{number}", demand) for number in range(drains)]
        self.limits: list[tuple[int, int]] = []
        self.in_flight = 0
        self.trespasses = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()
        self._taken: list[tuple[float, float]] = []
        self._pushed_back: list[float] = []
        for drain in self.drains:
            self.after(self.random.uniform(0, EXCHANGE_EVERY_MS), drain.beat)

    def join(self, name: str, demand: Callable[[float], int] = lambda _: ENDLESS) -> Drain:
        """One more drain, from now on."""
        drain = Drain(self, name, demand)
        self.drains.append(drain)
        drain.beat()
        return drain

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now_ms + delay_ms, next(self._serial), action))

    def run(self, until_ms: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(self._events)
            action()
        self.now_ms = until_ms

    def request(self, drain: Drain) -> None:
        """A request of a drain, which gets its answer."""
        self.in_flight += 1
        self.trespasses += self.in_flight > self.fleet.limit.value
        sent_ms, epoch = self.now_ms, drain.epoch
        ends_ms, taken = self.upstream.take(sent_ms + TRIP_MS / 2, self.random)

        def answer() -> None:
            self.in_flight -= 1
            if taken:
                self._taken.append((self.now_ms, self.now_ms - sent_ms))
            else:
                self._pushed_back.append(self.now_ms)
            drain.answer(self.now_ms - sent_ms, epoch, taken=taken)

        self.after(ends_ms + TRIP_MS / 2 - sent_ms, answer)

    def exchange(self, drain: str, report: Report) -> tuple[int, int]:
        """A drain's exchange with the fleet: its share, and the epoch."""
        share = self.fleet.exchange(drain, report, round(self.now_ms))
        limit = self.fleet.limit
        if not self.limits or self.limits[-1][1] != limit.value:
            self.limits.append((round(self.now_ms), limit.value))
        return share, limit.epoch

    def passed(self, from_ms: float, until_ms: float) -> Passed:
        """What happened in between."""
        rtts_ms = [rtt_ms for at_ms, rtt_ms in self._taken if from_ms <= at_ms < until_ms]
        pushed_back = sum(from_ms <= at_ms < until_ms for at_ms in self._pushed_back)
        return Passed(
            per_s=len(rtts_ms) * 1000 / (until_ms - from_ms),
            pushed_back=pushed_back / max(1, pushed_back + len(rtts_ms)),
            rtt_ms=sum(rtts_ms) / max(1, len(rtts_ms)),
        )
