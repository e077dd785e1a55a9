"""Filters: what people type, wherever they type it."""

from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest

from forwarder.dead.filters import Filters
from forwarder.dead.likeness import normalised
from forwarder.errors import UsageError
from forwarder.queue.dead_letters import DeadLetter

NOW_MS = 1_767_225_600_000
ERROR = "HTTP 400: trace 5f3c9d2e-1111-4222-8333-123456789abc has the value 11; 'score' must be at most 10"


def letter(error: str, status: int | None = 400) -> DeadLetter:
    return DeadLetter(body=b"{}", reason="rejected", error=error, status=status, id=f"{NOW_MS}-0")


def test_a_query_and_json_hold_the_same_filters() -> None:
    filters = Filters(reason=("rejected", "poison"), since="2h", contains="a&b=c", message=ERROR, attempts="1..3")

    names: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlencode(filters.query)):
        names.setdefault(name, []).append(value)
    plain = {name: values if name == "reason" else values[0] for name, values in names.items()}

    assert msgspec.convert(plain, Filters) == filters
    assert msgspec.json.decode(msgspec.json.encode(filters), type=Filters) == filters


def test_pinned_times_mean_the_same_later() -> None:
    filters = Filters(since="2h", accepted_until="30m", source="web")
    pinned = filters.pinned(NOW_MS)

    assert pinned.selection(NOW_MS + 3_600_000) == filters.selection(NOW_MS)
    assert pinned.since == "2025-12-31T22:00:00.000Z"


def test_what_cannot_be_is_told_when_it_is_pinned() -> None:
    with pytest.raises(UsageError, match="'soon' is not a time"):
        Filters(since="soon").pinned(NOW_MS)


@pytest.mark.parametrize("given", [ERROR, normalised(ERROR)])
def test_a_message_means_all_errors_that_are_alike(given: str) -> None:
    chosen = Filters(message=given).selection(NOW_MS)

    assert chosen.matches(letter(ERROR))
    assert chosen.matches(letter(ERROR.replace("value 11", "value 4711").replace("5f3c9d2e", "00000000")))
    assert not chosen.matches(letter(ERROR.replace("at most", "at least")))


def test_a_group_is_its_status_and_its_message() -> None:
    chosen = Filters(message=ERROR, status=("none",)).selection(NOW_MS)

    assert chosen.matches(letter(ERROR, None))
    assert not chosen.matches(letter(ERROR, 400))
