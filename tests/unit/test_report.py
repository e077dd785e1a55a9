from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from workers.breaker import RUN_MAX, Seen
from workers.flow import Load
from workers.report import Reporter
from workers.sizing import Extent
from workers.verdict import Cut, Delivered, Retry, Stop, Verdict

OK = Delivered(None)
REFUSED = Cut("HTTP 400: bad")
TOO_LARGE = Cut("HTTP 413", "too_large")
FAILED = Retry("HTTP 500: private words", "HTTP 500")
BUSY = Retry("HTTP 429: busy", "HTTP 429", for_all=True, pushed_back=True)
WRONG = Stop("HTTP 401: set FORWARDER_API_KEY")
EXTENT = Extent(500, 60_000)


def reporter(*verdicts: Verdict, asked_ms: int = 0, epoch: int = 0, extent: Extent = EXTENT) -> Reporter:
    made = Reporter()
    for verdict in verdicts:
        made.note(verdict, extent, 50.0, asked_ms=asked_ms, probe=False, epoch=epoch)
    return made


def seen(made: Reporter) -> Seen:
    return made.taken(in_flight=0, wants=1, peak=1, waiting=False).seen


def test_what_was_seen_is_counted_and_the_words_of_the_upstream_are_left_out() -> None:
    assert seen(reporter(OK, REFUSED, FAILED, FAILED)) == Seen(good=2, failed=2, trailing=2, failure="HTTP 500")
    assert seen(reporter(FAILED, OK)) == Seen(good=1, failed=1, trailing=0, failure="HTTP 500")
    assert seen(reporter(WRONG)).misfit == WRONG.error


def test_a_report_is_told_once() -> None:
    made = reporter(FAILED)
    assert seen(made).failed == 1
    assert seen(made) == Seen()


def test_round_trips_are_those_of_deliveries() -> None:
    report = reporter(OK, REFUSED, FAILED, OK).taken(in_flight=1, wants=3, peak=2, waiting=True)
    assert report.seen.waiting
    assert report.load == Load(in_flight=1, wants=3, peak=2, answered=2, rtt_ms=100.0, rtt_ms2=5_000.0)


def test_only_back_pressure_of_the_present_epoch_counts() -> None:
    made = reporter(BUSY, BUSY, OK)
    made.begin(5)
    for verdict, epoch in ((BUSY, 4), (OK, 4), (BUSY, 5)):
        made.note(verdict, EXTENT, 1.0, asked_ms=0, probe=False, epoch=epoch)
    made.begin(5)  # as it is
    report = made.taken(in_flight=0, wants=0, peak=0, waiting=False)
    assert report.load == Load(epoch=5, pushed_back=1)
    assert report.seen.failed == 2, "one per epoch: they may only have been too many at once"
    assert made.taken(in_flight=0, wants=0, peak=0, waiting=False).load == Load(epoch=5)


def test_a_failure_of_an_epoch_that_is_over_is_a_failure_all_the_same() -> None:
    made = Reporter()
    made.begin(5)
    made.note(FAILED, EXTENT, 1.0, asked_ms=0, probe=False, epoch=4)
    assert seen(made).failed == 1


def test_the_longest_wait_that_was_asked_for_counts_and_who_asked_last_is_named() -> None:
    made = reporter(FAILED, asked_ms=2_000)
    made.note(BUSY, EXTENT, 1.0, asked_ms=1_000, probe=False, epoch=0)
    told = seen(made)
    assert (told.asked_ms, told.asked_by) == (2_000, "HTTP 429")


def test_back_pressure_that_comes_at_once_counts_as_one_failure_but_timeouts_each() -> None:
    timeout = Retry("no answer", "no answer", ambiguous=True, pushed_back=True, answered=False)
    assert seen(reporter(*[BUSY] * 9)).failed == 1
    assert seen(reporter(*[timeout] * 9)).failed == 9
    assert reporter(*[timeout] * RUN_MAX).alarming


@pytest.mark.parametrize(
    ("verdicts", "asked_ms", "alarming", "urgent"),
    [
        ([OK, REFUSED], 0, False, False),
        ([FAILED] * (RUN_MAX - 1), 0, False, True),
        ([FAILED] * RUN_MAX, 0, True, True),
        ([FAILED] * RUN_MAX + [OK], 0, False, True),
        ([BUSY], 1_000, True, True),
        ([WRONG], 0, True, True),
        ([TOO_LARGE], 0, False, True),
    ],
)
def test_what_must_be_told_at_once_and_what_stops_all_sending_until_it_was(
    verdicts: list[Verdict], asked_ms: int, *, alarming: bool, urgent: bool
) -> None:
    made = reporter(*verdicts, asked_ms=asked_ms)
    assert (made.alarming, made.urgent) == (alarming, urgent)


def test_the_probe_says_how_it_went_and_who_gives_it_back_is_not_given_it_again() -> None:
    made = Reporter()
    made.note(OK, EXTENT, 1.0, asked_ms=0, probe=True, epoch=0)
    assert (made.urgent, seen(made).probe) == (True, True)
    made.note(FAILED, EXTENT, 1.0, asked_ms=0, probe=True, epoch=0)
    assert seen(made).probe is False
    made.note(REFUSED, EXTENT, 1.0, asked_ms=0, probe=True, epoch=0)
    assert seen(made).probe is True
    made.drop_probe()
    dropped = made.taken(in_flight=0, wants=1, peak=0, waiting=True).seen
    assert (dropped.dropped, dropped.waiting) == (True, False)


def test_sizes_are_the_smallest_that_was_too_large_and_the_largest_that_fitted() -> None:
    made = reporter(TOO_LARGE)
    made.note(TOO_LARGE, Extent(250, 30_000), 1.0, asked_ms=0, probe=False, epoch=0)
    made.note(TOO_LARGE, Extent(400, 60_000), 1.0, asked_ms=0, probe=False, epoch=0)
    made.note(TOO_LARGE, Extent(1, 90_000), 1.0, asked_ms=0, probe=False, epoch=0)
    made.note(OK, Extent(125, 9_000), 1.0, asked_ms=0, probe=False, epoch=0)
    made.note(OK, Extent(20, 15_000), 1.0, asked_ms=0, probe=False, epoch=0)
    report = made.taken(in_flight=0, wants=0, peak=0, waiting=False)
    assert (report.refused, report.fitted) == (Extent(250, 30_000), Extent(125, 15_000))
    made.note(TOO_LARGE, Extent(2, 90_000), 1.0, asked_ms=0, probe=False, epoch=0)
    assert made.taken(in_flight=0, wants=0, peak=0, waiting=False).refused == Extent(2, 90_000)


def test_a_report_that_could_not_be_told_is_told_with_the_next() -> None:
    made = reporter(OK, FAILED, FAILED)
    untold = made.taken(in_flight=0, wants=1, peak=1, waiting=False)
    made.note(FAILED, EXTENT, 1.0, asked_ms=0, probe=False, epoch=0)
    made.give_back(untold)
    assert replace(seen(made), probe=None) == Seen(good=1, failed=3, trailing=3, failure="HTTP 500")
    made.note(OK, EXTENT, 1.0, asked_ms=0, probe=False, epoch=0)
    made.give_back(untold)
    assert (seen(made).trailing, seen(made)) == (0, Seen())


NOTES = st.lists(
    st.fixed_dictionaries(
        {
            "verdict": st.sampled_from([OK, REFUSED, TOO_LARGE, FAILED, Retry("no answer", "no answer"), WRONG]),
            "extent": st.builds(Extent, st.integers(1, 3), st.integers(1, 3)),
            "asked_ms": st.sampled_from([0, 0, 1_000, 2_000]),
            "probe": st.booleans(),
        }
    )
    | st.none(),
    max_size=6,
)
"""What befalls a drain: answers, and probes that are not sent (None)."""


def _note(verdict: Verdict, events: int, asked_ms: int = 0) -> dict[str, Any]:
    return {"verdict": verdict, "extent": Extent(events, 10 - events), "asked_ms": asked_ms, "probe": False}


@given(NOTES, NOTES)
@example([_note(TOO_LARGE, 3)], [_note(TOO_LARGE, 2)])
@example([_note(TOO_LARGE, 2)], [_note(TOO_LARGE, 3)])
@example([_note(FAILED, 1, 1_000)], [_note(Retry("HTTP 503", "HTTP 503"), 1, 2_000)])
@example([_note(OK, 3)], [_note(OK, 2)])
@example([_note(OK, 2)], [_note(OK, 3)])
def test_a_report_that_is_given_back_is_as_if_it_had_never_been_taken(before: list[Any], after: list[Any]) -> None:
    whole, parted = Reporter(), Reporter()
    for note in before:
        befalls(whole, note)
        befalls(parted, note)
    untold = parted.taken(in_flight=0, wants=1, peak=1, waiting=False)
    for note in after:
        befalls(whole, note)
        befalls(parted, note)
    parted.give_back(untold)
    assert (parted.alarming, parted.urgent) == (whole.alarming, whole.urgent)
    told, expected = (one.taken(in_flight=0, wants=1, peak=1, waiting=True) for one in (parted, whole))
    assert (told.seen, told.fitted) == (expected.seen, expected.fitted)
    assert (told.refused and told.refused.events) == (expected.refused and expected.refused.events)


def befalls(made: Reporter, note: dict[str, Any] | None) -> None:
    if note is None:
        made.drop_probe()
    else:
        made.note(note["verdict"], note["extent"], 50.0, asked_ms=note["asked_ms"], probe=note["probe"], epoch=0)
