from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.flow import Size
from workers.sizing import GROW_EVERY_MS, GROW_ON_MS, Extent, holds, learn

FULL = Extent(500, 60_000)


def settled_size(takes_events: int, takes_bytes: int, minutes: int) -> tuple[Size, int]:
    """A destination with these bounds, to which as much as possible is sent for so long; and how often it refused."""
    size, refusals, now_ms = Size(), 0, 0
    while now_ms < minutes * 60_000:
        now_ms += 1_000
        events = min(FULL.events, size.events or FULL.events, (size.bytes or FULL.bytes) * FULL.events // FULL.bytes)
        sent = Extent(max(1, events), max(1, events) * FULL.bytes // FULL.events)
        fits = sent.events <= takes_events and sent.bytes <= takes_bytes
        refusals += not fits
        size = learn(size, None if fits else sent, sent if fits else None, now_ms)
    return size, refusals


def test_nothing_is_bounded_before_a_request_was_too_large() -> None:
    assert learn(Size(), None, FULL, 1_000) == Size()


def test_a_request_that_was_too_large_halves_both_bounds() -> None:
    size = learn(Size(), FULL, None, 1_000)
    assert (size.events, size.bytes) == (250, 30_000)
    assert learn(size, Extent(250, 30_000), None, 2_000).events == 125


def test_one_that_was_sent_before_the_bounds_were_known_teaches_nothing() -> None:
    size = learn(Size(), FULL, None, 1_000)
    assert learn(size, FULL, None, 1_001) == size
    assert not holds(size, FULL)


def test_bounds_grow_slowly_and_only_while_they_are_tight() -> None:
    size = learn(Size(), FULL, None, 0)
    assert learn(size, None, Extent(250, 29_000), GROW_EVERY_MS - 1).events == 250
    assert learn(size, None, Extent(10, 1_200), GROW_EVERY_MS).events == 250
    grown = learn(size, None, Extent(250, 1_200), GROW_EVERY_MS)
    assert (grown.events, grown.bytes, grown.good_events) == (275, 30_000, 250)


def test_a_growth_that_was_too_much_is_taken_back_to_what_fitted() -> None:
    grown = learn(learn(Size(), FULL, None, 0), None, Extent(250, 30_000), GROW_EVERY_MS)
    back = learn(grown, Extent(275, 33_000), None, GROW_EVERY_MS + 10)
    assert (back.events, back.bytes) == (250, 30_000)


def test_while_growing_holds_it_goes_on_sooner_and_by_more_until_it_was_too_much() -> None:
    grown = learn(learn(Size(), FULL, None, 0), None, Extent(250, 1_200), GROW_EVERY_MS)
    at_ms = GROW_EVERY_MS + GROW_ON_MS
    assert learn(grown, None, Extent(275, 1_200), at_ms).events == 550
    assert learn(grown, None, Extent(275, 1_200), at_ms - 1).events == 275
    unused = learn(grown, None, Extent(240, 1_200), at_ms)
    assert (unused.events, learn(unused, None, Extent(240, 1_200), GROW_EVERY_MS * 2).events) == (275, 275)
    assert learn(grown, None, Extent(251, 1_200), at_ms).events == 550
    doubled = learn(grown, None, Extent(275, 1_200), at_ms)
    back = learn(doubled, Extent(500, 29_000), None, at_ms + 10)
    assert back.events == 275
    assert learn(back, None, Extent(275, 1_200), at_ms + 10 + GROW_EVERY_MS).events == 302


def test_an_upstream_that_refused_everything_for_a_moment_is_sent_full_batches_again_within_minutes() -> None:
    size = Size(1, 100, 1, 100)
    for now_ms in range(0, 240_000, 1_000):
        events = max(1, min(size.events, size.bytes // (FULL.bytes // FULL.events)))
        size = learn(size, None, Extent(events, events * FULL.bytes // FULL.events), now_ms)
    assert holds(size, FULL)


def test_a_bound_never_falls_below_one() -> None:
    assert learn(Size(1, 1, 1, 1), Extent(1, 1), None, 0) == Size(1, 1, 1, 1)


def test_the_true_bound_is_found_from_below_and_hardly_ever_tried_beyond() -> None:
    for takes_events, takes_bytes in ((100, 10**9), (500, 20_000), (37, 5_000)):
        size, refusals = settled_size(takes_events, takes_bytes, minutes=60)
        fitting = min(takes_events, takes_bytes * 500 // 60_000)
        assert 0.8 * fitting <= min(size.events, size.bytes * 500 // 60_000) <= 1.1 * fitting
        assert refusals <= 66


def test_a_bound_that_was_lifted_is_grown_out_of() -> None:
    size, now_ms = learn(Size(), FULL, None, 0), 0
    while size.events < FULL.events or size.bytes < FULL.bytes:
        now_ms += GROW_EVERY_MS
        sent = Extent(min(FULL.events, size.events), min(FULL.bytes, size.bytes))
        size = learn(size, None, sent, now_ms)
    assert now_ms <= 10 * GROW_EVERY_MS


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 10_000), st.integers(1, 10**7), st.integers(0, 120_000)), max_size=50
    )
)
def test_bounds_are_never_less_than_one_once_there_are_any(steps: list[tuple[bool, int, int, int]]) -> None:
    size, now_ms = Size(), 0
    for refused, events, body_bytes, later_ms in steps:
        now_ms += later_ms
        extent = Extent(events, body_bytes)
        size = learn(size, extent if refused else None, None if refused else extent, now_ms)
        assert (size.events == 0) == (size.bytes == 0)
        assert size.events >= 0
        assert size.bytes >= 0


def test_a_bound_is_tight_at_nine_tenths_and_grows_by_one_at_least() -> None:
    grown = learn(Size(250, 30_000), None, Extent(225, 27_000), GROW_EVERY_MS)
    assert (grown.events, grown.bytes) == (275, 33_000)
    grown = learn(Size(5, 5), None, Extent(5, 5), GROW_EVERY_MS)
    assert (grown.events, grown.bytes) == (6, 6)


def test_a_request_respects_the_bounds_when_it_is_within_both() -> None:
    size = Size(250, 30_000)
    assert holds(size, Extent(250, 30_000))
    assert not holds(size, Extent(251, 30_000))
    assert not holds(size, Extent(250, 30_001))
