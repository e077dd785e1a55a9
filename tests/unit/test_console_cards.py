"""What the overview says of a pause."""

import pytest

from forwarder.console.cards import paused_sign, why
from forwarder.queue.pause import Pause

NOW_MS = 1_700_000_060_000
SINCE_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("kind", "until_ms", "said"),
    [
        ("hand", None, "until somebody resumes it"),
        ("hand", NOW_MS + 30_000, "it ends in 30s"),
        ("upstream", NOW_MS + 5_000, "the next probe goes out in 5.0s"),
        ("settings", NOW_MS - 5_000, "the next probe goes out in 0.0s"),
    ],
)
def test_why_nobody_sends_and_what_ends_it(kind: str, until_ms: int | None, said: str) -> None:
    text = why(Pause("they are unwell", SINCE_MS, until_ms, kind), NOW_MS)

    assert text.startswith("they are unwell · since 2023-11-14 22:13:20Z")
    assert text.endswith(said)
    assert paused_sign(kind).text == ("paused by hand" if kind == "hand" else "paused")


def test_nothing_is_said_while_somebody_sends() -> None:
    assert why(None, NOW_MS) == ""
