"""Durations and moments, typed and shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import UsageError
from forwarder.times import iso_moment, parse_duration_s, parse_moment_ms, shown_duration, shown_moment

NOW_MS = 1_767_225_600_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800), ("1h30m", 5_400), ("1.5H ", 5_400), (" 0.5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-2h", "2 h", "0s", "9999999999d", "2h ago", "٣h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="duration"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2h", NOW_MS - 7_200_000),
        ("2026-01-01", NOW_MS),
        ("2026-01-01T01:00", NOW_MS + 3_600_000),
        ("2026-01-01T01:00:00+01:00", NOW_MS),
        ("2026-01-01 00:00:00.250Z", NOW_MS + 250),
        ("1950-01-01", 0),
        (" 2h ", NOW_MS - 7_200_000),
        (" 2026-01-01 ", NOW_MS),
        ("36500d", 0),
    ],
)
def test_moments(text: str, at_ms: int) -> None:
    assert parse_moment_ms(text, NOW_MS) == at_ms


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        parse_moment_ms(text, NOW_MS)


@given(st.integers(1, 4_000_000_000_000))
def test_a_moment_that_is_shown_can_be_typed(at_ms: int) -> None:
    assert parse_moment_ms(shown_moment(at_ms), NOW_MS) == at_ms // 1000 * 1000


@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_for_programs_is_exact_to_the_millisecond(at_ms: int) -> None:
    assert parse_moment_ms(iso_moment(at_ms), NOW_MS) == at_ms


def test_a_moment_for_programs_always_has_its_milliseconds() -> None:
    assert iso_moment(1_000) == "1970-01-01T00:00:01.000Z"


def test_a_week_is_seven_days() -> None:
    assert parse_duration_s("1w") == parse_duration_s("7d")


def test_an_unknown_or_absurd_moment_is_a_dash() -> None:
    assert (shown_moment(0), shown_moment(10**17)) == ("-", "-")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.44, "0.4s"), (10, "10s"), (59, "59s"), (310, "5m10s"), (3_600, "1h"), (86_700, "1d"), (90_061, "1d1h")],
)
def test_shown_durations(seconds: float, shown: str) -> None:
    assert shown_duration(seconds) == shown
