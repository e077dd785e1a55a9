import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.backoff import delay_s, retry_after_s

NOW_S = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, section 5.6.7."""

LONGEST_S = 300.0
CHANCES = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10_000), st.integers(1, 600_000), st.integers(1, 3_600_000), CHANCES)
def test_a_delay_is_between_nought_and_the_exponential_bound(
    attempt: int, base_ms: int, max_ms: int, chance: float
) -> None:
    bound_ms = min(max_ms, base_ms * 2 ** min(attempt - 1, 64))
    assert 0 <= delay_s(attempt, base_ms, max_ms, chance) <= bound_ms / 1000


@pytest.mark.parametrize(("attempt", "bound_s"), [(1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (9, 60), (1_000, 60)])
def test_the_bound_doubles_with_each_try_up_to_its_own_bound(attempt: int, bound_s: float) -> None:
    assert delay_s(attempt, 500, 60_000, 0.5) == bound_s / 2


def test_the_jitter_is_full_it_reaches_from_nought_to_the_bound() -> None:
    assert delay_s(3, 500, 60_000, 0.0) == 0
    assert delay_s(3, 500, 60_000, 0.999_999) == pytest.approx(2, abs=1e-4)


@given(st.integers(1, 100), CHANCES, st.floats(0, 86_400))
def test_what_the_upstream_asked_for_is_the_floor_and_the_jitter_comes_on_top(
    attempt: int, chance: float, asked_s: float
) -> None:
    waited = delay_s(attempt, 500, 60_000, chance, asked_s)
    assert waited >= asked_s
    assert waited == asked_s + delay_s(attempt, 500, 60_000, chance)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("17", 17),
        (" 17 ", 17),
        ("1.5", 1.5),
        ("300", 300),
        ("301", 300),
        ("9" * 30, 300),
        ("9" * 5_000, 300),
        ("1e999", 300),
        ("-5", 0),
        ("-1e999", 0),
        ("nan", 0),
        ("soon", 0),
        ("17 s", 0),
        ("0x10", 0),
        (",", 0),
        ("\x00", 0),
        ("Mon, 99 Nov 1994 99:99:99 GMT", 0),
        ("Sun, 06 Nov 99999 08:49:37 GMT", 0),
    ],
)
def test_retry_after_in_seconds_is_clamped_and_nonsense_is_nought(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, NOW_S, LONGEST_S) == seconds


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own time zone, which must not matter."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(
    "date",
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", id="IMF-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", id="RFC 850"),
        pytest.param("Sun Nov  6 08:49:37 1994", id="asctime"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 -0000", id="zone not said"),
        pytest.param("Sun, 06 Nov 1994 09:49:37 +0100", id="another zone"),
    ],
)
def test_a_date_is_the_seconds_until_then_in_each_form_of_http_and_in_any_time_zone(date: str) -> None:
    assert retry_after_s(date, NOW_S - 120, LONGEST_S) == 120
    assert retry_after_s(date, NOW_S + 120, LONGEST_S) == 0
    assert retry_after_s(date, NOW_S - 10_000, LONGEST_S) == LONGEST_S


@given(st.text() | st.text("0123456789 ,:+-.GMTSunovJan\t", max_size=40), st.floats(0, 86_400))
def test_any_header_gives_a_wait_within_the_bounds(header: str, longest_s: float) -> None:
    assert 0 <= retry_after_s(header, NOW_S, longest_s) <= longest_s
