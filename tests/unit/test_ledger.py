import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Line, Snapshot, snapshot

AMOUNTS = st.integers(0, 10**9)
BOOKS = {
    "accepted": 1_100,
    "replayed": 5,
    "delivered": 1_000,
    "dead_lettered": 25,
    "pending": 80,
    "purged": 2,
    "entries_settled": 40,
}
CLOSED = Snapshot(BOOKS, entries=3, entries_added=43, dead=18)


def test_books_that_add_up_close_on_all_three_lines() -> None:
    assert [(line.name, line.closes) for line in CLOSED.lines] == [("queue", True), ("dead", True), ("redis", True)]


def test_the_lines_read_as_equations() -> None:
    assert [str(line) for line in CLOSED.lines] == [
        "queue: accepted 1,100 + replayed 5 = delivered 1,000 + dead-lettered 25 + pending 80",
        "dead: dead-lettered 25 = replayed 5 + purged 2 + dead 18",
        "redis: entries-added 43 = entries-settled 40 + entries 3",
    ]


@pytest.mark.parametrize(
    ("counter", "lines"),
    [
        ("accepted", {"queue"}),
        ("delivered", {"queue"}),
        ("pending", {"queue"}),
        ("replayed", {"queue", "dead"}),
        ("dead_lettered", {"queue", "dead"}),
        ("purged", {"dead"}),
        ("entries_settled", {"redis"}),
    ],
)
def test_one_miscounted_counter_opens_exactly_the_lines_that_it_is_in(counter: str, lines: set[str]) -> None:
    wrong = Snapshot({**BOOKS, counter: BOOKS[counter] + 1}, entries=3, entries_added=43, dead=18)
    assert {line.name for line in wrong.lines if not line.closes} == lines


def test_a_line_that_does_not_close_says_by_how_much_and_to_which_side() -> None:
    assert str(Line("dead", {"a": 5_000}, {"b": 2_000})) == "dead: a 5,000 = b 2,000   DOES NOT CLOSE: +3,000"
    assert str(Line("dead", {"a": 1}, {"b": 2})).endswith("DOES NOT CLOSE: -1")


@given(st.lists(AMOUNTS, min_size=1, max_size=4), st.lists(AMOUNTS, min_size=1, max_size=4))
def test_a_line_closes_exactly_when_its_sides_are_equal_and_its_text_says_the_same(
    left: list[int], right: list[int]
) -> None:
    line = Line("x", {f"l{n}": amount for n, amount in enumerate(left)}, {f"r{n}": a for n, a in enumerate(right)})
    assert line.closes == (sum(left) == sum(right)) == ("DOES NOT CLOSE" not in str(line))


def test_a_counter_that_never_counted_is_nought() -> None:
    assert Snapshot()["delivered"] == 0
    assert all(line.closes for line in Snapshot().lines)


def test_a_snapshot_is_read_from_the_reply_of_its_script() -> None:
    step = snapshot(Keys())
    books = step.read([[b"accepted", b"7", b"requests:200", b"3"], 2, 9, b"1700000000000-5", 4, 1])
    assert books == Snapshot({"accepted": 7, "requests:200": 3}, 2, 9, 1_700_000_000_000, 4, 1)
    assert list(step.keys[3:]) == Keys().leases


def test_an_empty_stream_has_no_oldest_entry() -> None:
    assert snapshot(Keys()).read([[], 0, 0, b"", 0, 0]).oldest_ms is None
