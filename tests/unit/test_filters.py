"""Filters: what people type, wherever they type it."""

from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest

from forwarder.dead.filters import Filters
from forwarder.dead.likeness import normalised
from forwarder.dead.selection import Selection
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


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("3", 3, 3), ("3..", 3, None), ("..3", 0, 3), ("1..3", 1, 3), (" 2..2 ", 2, 2), ("0", 0, 0)],
)
def test_a_range_is_a_number_or_has_one_end_or_two(text: str, least: int, most: int | None) -> None:
    selection = Filters(attempts=text, replays=text).selection(NOW_MS)
    assert selection.attempts == selection.replays == (least, most)


def test_without_a_range_every_number_is_meant() -> None:
    assert Filters().selection(NOW_MS).attempts == (0, None)


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (Filters(attempts=".."), "--attempts '..': write a number, or a range such as 3.. or ..3 or 1..3"),
        (Filters(attempts=""), "--attempts '': write a number"),
        (Filters(replays="many"), "--replays 'many': write a number"),
        (Filters(replays="1..2..3"), "--replays '1..2..3': write a number"),
        (Filters(attempts="3..1"), "--attempts '3..1': nothing is both at least 3 and at most 1"),
        (Filters(id=("7",)), "'7' is not an id: it looks like 1767225600000-0"),
        (Filters(id=("1-2x",)), "'1-2x' is not an id"),
        (Filters(since="1h", until="2h"), "--since is later than --until"),
        (Filters(accepted_since="1h", accepted_until="2h"), "--accepted-since is later than --accepted-until"),
        (Filters(reason=("bad",)), "'bad' is not a reason; there are: "),
        (Filters(status=("99",)), "'99' is not a status: write 503, a class such as 4xx, or none"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_option(filters: Filters, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        filters.selection(NOW_MS)
    assert str(refused.value).startswith(said)


def test_each_filter_reaches_its_own_place() -> None:
    filters = Filters(
        id=("1-0",),
        reason=("Too-Large",),
        status=(" 4XX ",),
        since="2h",
        until="1h",
        accepted_since="4h",
        accepted_until="3h",
        trace_id="t",
        source="s",
        batch="b",
        contains="c",
    )
    hour_ms = 3_600_000
    assert filters.selection(NOW_MS) == Selection(
        ids=frozenset({"1-0"}),
        reasons=frozenset({"too_large"}),
        statuses=frozenset({"4xx"}),
        since_ms=NOW_MS - 2 * hour_ms,
        until_ms=NOW_MS - hour_ms,
        accepted_since_ms=NOW_MS - 4 * hour_ms,
        accepted_until_ms=NOW_MS - 3 * hour_ms,
        trace_id="t",
        source="s",
        batch="b",
        contains="c",
    )


def test_one_moment_is_a_span() -> None:
    assert Filters(since="1h", until="1h").selection(NOW_MS).since_ms == NOW_MS - 3_600_000


def test_what_cannot_be_meant_is_not_pinned_either() -> None:
    with pytest.raises(UsageError, match="'bad' is not a reason"):
        Filters(reason=("bad",), since="2h").pinned(NOW_MS)
