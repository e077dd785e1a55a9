"""The scripts that move, purge and page through dead letters, each against the real server."""

from collections.abc import Callable

import pytest

from forwarder.queue import dead_letters
from forwarder.queue.accepted import accepted
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.scripts import run
from tests.support.queue_steps import KEYS, Redis, append, books, letter, pending_read, settle
from tests.support.replays import begun, moved, witness


def bury(client: Redis, count: int) -> list[DeadLetter]:
    run(client, append(count))
    run(client, settle(pending_read(client, "a"), [(0, letter(at_ms=7, source=b"s")) for _ in range(count)]))
    return list(dead_letters.scan(client, KEYS))


def test_a_letter_is_replayed_once(client: Redis) -> None:
    letters = bury(client, 3)
    assert moved(client, begun(client), letters[:2]) == (2, 0)
    assert moved(client, begun(client), letters) == (1, 2)
    taken = books(client)
    assert (taken["replayed"], taken["pending"], taken.dead) == (3, 3, 0)
    entries = pending_read(client, "a")
    assert [(entry.replays, entry.at_ms, entry.source) for entry in entries] == [(1, 7, b"s")] * 2
    assert [entry.counted for entry in entries] == [2, 1]


def bury_apart(client: Redis, count: int) -> list[DeadLetter]:
    """Letters with first times of their own."""
    run(client, append(count))
    run(client, settle(pending_read(client, "a"), [(0, letter(at_ms=7 + number)) for number in range(count)]))
    return list(dead_letters.scan(client, KEYS))


def deletions(client: Redis) -> int:
    """How often XDEL was called."""
    return int(client.info("commandstats").get("cmdstat_xdel", {"calls": 0})["calls"])


def test_a_page_that_nobody_else_touched_moves_as_a_whole(client: Redis) -> None:
    letters, record = bury_apart(client, 3), begun(client)
    known, before = witness(client, record), deletions(client)
    assert moved(client, record, letters, known) == (3, 0)
    assert deletions(client) == before + 1
    (entry,) = pending_read(client, "a")
    assert (entry.counted, entry.accepted) == (3, accepted([7, 8, 9]))
    assert (books(client)["replayed"], books(client).dead) == (3, 0)


def lost_by_the_server(client: Redis, letter_id: str) -> None:
    """As after a crash that took the last write with it: nothing tells that there ever was such a letter."""
    client.xdel(KEYS.dead, letter_id)
    added = client.xinfo_stream(KEYS.dead)["entries-added"] - 1
    client.execute_command("XSETID", KEYS.dead, letter_id, "ENTRIESADDED", added)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "take",
    [
        lambda client, taken: moved(client, begun(client), [taken]),
        lambda client, taken: run(client, dead_letters.purge(KEYS, [taken.id])),
        lambda client, taken: client.xdel(KEYS.dead, taken.id),
    ],
    ids=["replayed", "purged", "deleted by hand"],
)
def test_a_letter_that_somebody_took_since_the_page_was_read_is_passed_over(
    client: Redis, take: Callable[[Redis, DeadLetter], object], place: int
) -> None:
    letters, record = bury_apart(client, 3), begun(client)
    known = witness(client, record)
    take(client, letters[place])
    pending_read(client, "b")
    assert moved(client, record, letters, known) == (2, 1)
    (entry,) = pending_read(client, "a")
    assert [entry.accepted.of(index) for index in range(2)] == [at for at in (7, 8, 9) if at != 7 + place]


def test_a_letter_that_the_server_lost_is_passed_over(client: Redis) -> None:
    letters, record = bury_apart(client, 3), begun(client)
    known = witness(client, record)
    lost_by_the_server(client, letters[-1].id or "")
    assert witness(client, record) == known
    assert moved(client, record, letters, known) == (2, 1)


def test_purged_letters_are_counted(client: Redis) -> None:
    letters = bury(client, 3)
    ids = [letter.id or "" for letter in letters]
    assert run(client, dead_letters.purge(KEYS, ids[:2])) == 2
    assert run(client, dead_letters.purge(KEYS, ids)) == 1
    assert (books(client)["purged"], books(client).dead) == (3, 0)


def test_letters_are_scanned_page_by_page_and_bounded(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "PAGE", 2)
    letters = bury(client, 5)
    assert len(letters) == 5
    assert [one.id for one in dead_letters.scan(client, KEYS, after=letters[1].id)] == [x.id for x in letters[2:]]
    assert len(list(dead_letters.scan(client, KEYS, until=letters[2].id or ""))) == 3
    assert dead_letters.last_id(client, KEYS) == letters[-1].id
    assert dead_letters.get(client, KEYS, letters[3].id or "") == letters[3]
    assert dead_letters.get(client, KEYS, "1-1") is None


def test_a_page_of_large_letters_has_few_of_them(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "PAGE", 10)
    monkeypatch.setattr(dead_letters, "PAGE_BYTES", 3_500)
    sizes = [10] * 10 + [1_000] * 17 + [10_000] * 2
    for size in sizes:
        client.xadd(KEYS.dead, {"body": b"x" * size, "reason": "rejected"})

    pages = list(dead_letters.scan_pages(client, KEYS))

    assert [len(letter.body) for page in pages for letter in page] == sizes
    assert max(len(page) for page in pages[2:]) == 3, "the page after the first large ones, and the next"
    backwards = [len(letter.body) for letter in dead_letters.scan_back(client, KEYS)]
    assert backwards == sizes[::-1]
