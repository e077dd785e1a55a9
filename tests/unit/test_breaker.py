from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from forwarder.queue.flow import Breaker, Opening
from workers.breaker import FORGIVEN_AFTER_MS, HALF_LIFE_MS, RUN_MAX, SHARE_LEAST, Pauses, Seen, observe, take_probe

PAUSES = Pauses(1_000, 60_000)
FAILED = Seen(failed=1, trailing=1, failure="HTTP 503")
GOOD = Seen(good=1)
OLD = Breaker(closed_ms=-FORGIVEN_AFTER_MS - 1)


def after(*seen: Seen, breaker: Breaker = OLD, now_ms: int = 0) -> tuple[Breaker, Opening | None]:
    """What the last of these brings about, one millisecond after the other."""
    opening = None
    for one in seen:
        now_ms += 1
        breaker, opening = observe(breaker, one, now_ms, PAUSES, 0.0)
    return breaker, opening


def test_a_run_of_failures_opens_it_with_a_reason_for_the_operator() -> None:
    breaker, opening = after(*[FAILED] * (RUN_MAX - 1))
    assert (breaker.open, opening) == (False, None)
    breaker, opening = after(FAILED, breaker=breaker)
    assert breaker.open
    assert opening
    assert opening.reason == "the upstream fails (HTTP 503), 5 requests in a row; it is tried again by itself"
    assert (opening.kind, opening.length_ms) == ("upstream", 1_000)


def test_a_good_answer_ends_the_run_but_for_the_failures_after_it() -> None:
    breaker, _ = after(*[FAILED] * (RUN_MAX - 1), GOOD, *[FAILED] * (RUN_MAX - 1))
    assert not breaker.open
    breaker, _ = after(Seen(good=3, failed=9, trailing=2))
    assert (breaker.run, breaker.open) == (2, False)


def test_a_share_of_failures_opens_it_once_there_are_enough_requests_to_tell() -> None:
    alternating = [GOOD, FAILED] * (int(SHARE_LEAST) // 2 - 1)
    breaker, _ = after(*alternating)
    assert not breaker.open
    breaker, opening = after(GOOD, FAILED, FAILED, breaker=breaker, now_ms=100)
    assert breaker.open
    assert opening
    assert "too many requests" in opening.reason


def test_a_third_of_failures_for_ever_leaves_it_closed() -> None:
    breaker, now_ms = OLD, 0
    for _ in range(500):
        now_ms += 100
        breaker, opening = after(GOOD, GOOD, FAILED, breaker=breaker, now_ms=now_ms)
        assert opening is None


def test_old_failures_are_forgotten() -> None:
    breaker, _ = after(*[GOOD, FAILED] * 8, GOOD)
    much_later = HALF_LIFE_MS * 20
    breaker, opening = observe(breaker, FAILED, much_later, PAUSES, 0.0)
    assert opening is None
    assert breaker.good + breaker.bad < 2


def test_a_request_to_wait_opens_it_for_at_least_so_long() -> None:
    breaker, opening = after(Seen(failed=1, trailing=1, asked_ms=7_500, asked_by="HTTP 429"))
    assert breaker.open
    assert opening == Opening("HTTP 429: the upstream asks to wait 7.5 s", "upstream", 7_500)


def test_wrong_settings_open_it_at_once_and_say_what_to_mend() -> None:
    breaker, opening = after(Seen(misfit="HTTP 401: the API key is refused; set FORWARDER_API_KEY"))
    assert breaker.open
    assert opening
    assert (opening.kind, opening.length_ms) == ("settings", 1_000)
    assert "FORWARDER_API_KEY" in opening.reason


def test_answers_to_what_was_under_way_change_nothing_while_it_is_open() -> None:
    breaker, _ = after(*[FAILED] * RUN_MAX)
    for seen in (FAILED, GOOD, Seen(good=50), Seen(misfit="HTTP 401"), Seen(asked_ms=9_000)):
        assert observe(breaker, seen, 50, PAUSES, 0.0) == (breaker, None)


def test_a_probe_that_goes_well_closes_it() -> None:
    breaker, _ = after(*[FAILED] * RUN_MAX)
    closed, opening = observe(breaker, Seen(good=1, probe=True), 2_000, PAUSES, 0.0)
    assert (closed.open, closed.run, closed.bad, closed.closed_ms, opening) == (False, 0, 0.0, 2_000, None)


def test_probes_that_fail_double_the_pause_up_to_the_longest() -> None:
    breaker, opening = after(*[FAILED] * RUN_MAX)
    lengths = []
    for now_ms in range(0, 100_000, 10_000):
        assert opening
        lengths.append(opening.length_ms)
        breaker, opening = observe(breaker, Seen(failed=1, trailing=1, probe=False), now_ms, PAUSES, 0.0)
    assert lengths == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]


def test_one_that_opens_again_soon_after_it_closed_goes_on_doubling_and_later_is_forgiven() -> None:
    breaker, _ = after(*[FAILED] * RUN_MAX)
    closed, _ = observe(breaker, Seen(probe=True), 2_000, PAUSES, 0.0)
    _, soon = after(*[FAILED] * RUN_MAX, breaker=closed, now_ms=3_000)
    _, late = after(*[FAILED] * RUN_MAX, breaker=closed, now_ms=2_000 + FORGIVEN_AFTER_MS)
    assert soon
    assert late
    assert (soon.length_ms, late.length_ms) == (2_000, 1_000)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_pauses_are_lengthened_by_chance_and_never_shortened(chance: float) -> None:
    breaker, _ = after(*[FAILED] * (RUN_MAX - 1))
    _, opening = observe(breaker, FAILED, 9, PAUSES, chance)
    assert opening
    assert 1_000 <= opening.length_ms <= 1_100


def test_the_probe_goes_to_one_drain_when_the_pause_is_over() -> None:
    breaker, _ = after(*[FAILED] * RUN_MAX)
    both = frozenset({"a", "b"})
    assert take_probe(breaker, "a", paused=True, alive=both).prober == ""
    given = take_probe(breaker, "a", paused=False, alive=both)
    assert given.prober == "a"
    assert take_probe(given, "b", paused=False, alive=both).prober == "a"
    assert take_probe(given, "b", paused=False, alive=frozenset({"b"})).prober == "b", "the first one died"
    assert take_probe(OLD, "a", paused=False, alive=both).prober == "", "nothing to probe"


def test_a_probe_that_is_given_back_goes_to_another() -> None:
    breaker = take_probe(after(*[FAILED] * RUN_MAX)[0], "a", paused=False, alive=frozenset("a"))
    assert observe(breaker, Seen(dropped=True), 9, PAUSES, 0.0)[0].prober == ""


# A long outage, by a clock of our own


@dataclass
class World:
    """A destination that is down for a while, and a fleet of drains that send it what they have, in turns of 100 ms."""

    down_ms: int
    drains: int = 3
    down: Seen = FAILED
    requests: int = 0
    now_ms: int = 0
    breaker: Breaker = OLD
    paused_until: int = 0
    reasons: set[str] = field(default_factory=set)

    def run(self, turns: Iterator[int]) -> None:
        for _ in turns:
            self.now_ms += 100
            for number in range(self.drains):
                self._send(f"drain{number}")
            if self.now_ms > self.down_ms and not self.breaker.open:
                return

    def _send(self, token: str) -> None:
        paused = self.now_ms < self.paused_until
        alive = frozenset(f"drain{number}" for number in range(self.drains))
        self.breaker = take_probe(self.breaker, token, paused=paused, alive=alive)
        probe = self.breaker.open and self.breaker.prober == token
        if paused or (self.breaker.open and not probe):
            return
        self.requests += 1
        seen = self.down if self.now_ms <= self.down_ms else GOOD
        if probe:
            seen = Seen(seen.good, seen.failed, seen.trailing, seen.failure, seen.misfit, probe=bool(seen.good))
        self.breaker, opening = observe(self.breaker, seen, self.now_ms, PAUSES, 0.0)
        if opening:
            self.paused_until = self.now_ms + opening.length_ms
            self.reasons.add(opening.reason)


@pytest.mark.parametrize("down", [FAILED, Seen(misfit="HTTP 402: the subscription is exhausted")])
def test_an_outage_of_six_hours_costs_a_few_hundred_probes(down: Seen) -> None:
    world = World(down_ms=6 * 3_600_000, down=down)
    world.run(iter(range(6 * 36_000 + 1_000)))
    assert not world.breaker.open
    assert world.requests <= 400
    assert world.now_ms - world.down_ms <= PAUSES.longest_ms + 200, "found within one pause"


def test_a_minute_of_outage_costs_a_dozen_requests() -> None:
    world = World(down_ms=60_000)
    world.run(iter(range(2_000)))
    assert world.requests <= RUN_MAX + 8


@pytest.mark.parametrize("down_ms", [100, 450, 1_000, 7_777, 120_000])
def test_every_outage_ends(down_ms: int) -> None:
    world = World(down_ms)
    world.run(iter(range(4_000)))
    assert not world.breaker.open


def test_an_upstream_that_only_throttles_is_waited_for_as_long_as_it_asks_however_often() -> None:
    breaker, now_ms, lengths = OLD, 0, []
    for _ in range(9):
        now_ms += 1_000
        asked = Seen(good=9, failed=1, trailing=1, asked_ms=1_500, asked_by="HTTP 429")
        breaker, opening = observe(breaker, asked, now_ms, PAUSES, 0.0)
        assert opening
        lengths.append(opening.length_ms)
        now_ms += opening.length_ms
        breaker, _ = observe(breaker, Seen(good=1, probe=True), now_ms, PAUSES, 0.0)
    assert lengths == [1_500] * 9


def test_a_probe_that_meets_wrong_settings_says_what_to_mend() -> None:
    breaker, _ = after(*[FAILED] * RUN_MAX)
    probe = Seen(failed=1, trailing=1, failure="HTTP 401", misfit="HTTP 401: set FORWARDER_API_KEY", probe=False)
    _, opening = observe(breaker, probe, 2_000, PAUSES, 0.0)
    assert opening
    assert (opening.reason, opening.kind) == (probe.misfit, "settings")


def test_a_probe_that_fails_after_a_pause_that_was_asked_for_opens_it_again_in_its_own_words() -> None:
    breaker, _ = after(Seen(failed=1, trailing=1, asked_ms=1_500, asked_by="HTTP 429"))
    probe = Seen(failed=1, trailing=1, probe=False)
    _, opening = observe(breaker, probe, 2_000, PAUSES, 0.0)
    assert opening
    assert opening.reason == "the upstream fails (no answer), too many requests; it is tried again by itself"


def test_an_outage_after_much_throttling_begins_with_the_first_pause() -> None:
    breaker = OLD
    for now_ms in range(0, 50_000, 5_000):
        breaker, _ = observe(
            breaker, Seen(failed=1, trailing=1, asked_ms=100, asked_by="HTTP 429"), now_ms, PAUSES, 0.0
        )
        breaker, _ = observe(breaker, Seen(good=1, probe=True), now_ms + 200, PAUSES, 0.0)
    _, opening = after(*[FAILED] * RUN_MAX, breaker=breaker, now_ms=50_000)
    assert opening
    assert opening.length_ms == 1_000


def test_half_of_just_enough_requests_opens_it() -> None:
    breaker, opening = after(Seen(good=10, failed=10, trailing=1))
    assert breaker.open
    assert opening


def test_answers_count_half_after_the_half_life_each_time() -> None:
    breaker, _ = observe(OLD, GOOD, HALF_LIFE_MS, PAUSES, 0.0)
    breaker, _ = observe(breaker, GOOD, 2 * HALF_LIFE_MS, PAUSES, 0.0)
    assert breaker.good == 1.5


def test_while_it_is_open_the_run_is_remembered() -> None:
    breaker, _ = after(*[FAILED] * RUN_MAX)
    _, opening = observe(breaker, Seen(failed=1, trailing=1, failure="HTTP 500", probe=False), 2_000, PAUSES, 0.0)
    assert opening
    assert "5 requests in a row" in opening.reason
