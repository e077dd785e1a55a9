"""The scripts, each against the real server: what they move, what they count, and who wins a race."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from forwarder.errors import QueueFull
from forwarder.feedback import Members
from forwarder.queue import dead_letters, lease, settlement, stream
from forwarder.queue.accepted import accepted
from forwarder.queue.caps import Caps
from forwarder.queue.columns import Columns, read_columns
from forwarder.queue.connection import connect
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.ledger import Snapshot, snapshot
from forwarder.queue.scripts import Step, run
from forwarder.queue.settlement import PutBack, Recut, Settled, Settlement, recut
from forwarder.queue.stream import Entry
from forwarder.queue.tally import TRACE_S, count_tally
from forwarder.settings import Settings
from tests.support.replays import begun, moved, witness
from tests.support.waiting import eventually

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""

KEYS = Keys()
EVENT = b'{"trace_id":"t","value":1}'


@pytest.fixture
def client(settings: Settings) -> Redis:
    client = connect(settings)
    client.xgroup_create(KEYS.events, GROUP, id="0", mkstream=True)
    return client


def append(count: int = 1, chunk_id: str | None = None, backlog_max_events: int = 1_000) -> Step[str]:
    members = Members(b",".join([EVENT] * count), count)
    return stream.append(
        KEYS,
        members,
        chunk_id=chunk_id or stream.new_chunk_id(),
        source="test",
        caps=Caps(backlog_max_events=backlog_max_events, dedupe_ttl_s=60),
    )


def pending_read(client: Redis, consumer: str) -> list[Entry]:
    reply = client.xreadgroup(GROUP, consumer, {KEYS.events: ">"}, count=100)
    return [Entry(entry_id, fields) for entry_id, fields in reply[0][1]] if reply else []


def settle(entries: list[Entry], letters: list[tuple[int, DeadLetter]] | None = None, **tally: int) -> Step[Settled]:
    done = [
        Settlement(entry, entry.counted or 1, [letter for of, letter in letters or [] if of == index])
        for index, entry in enumerate(entries)
    ]
    return settlement.settle(KEYS, done, tally)


def letter(**fields: object) -> DeadLetter:
    return DeadLetter(**{"body": EVENT, "reason": "rejected", "error": "no", **fields})  # type: ignore[arg-type]


def books(client: Redis) -> Snapshot:
    taken = run(client, snapshot(KEYS))
    assert all(line.closes for line in taken.lines), [str(line) for line in taken.lines]
    return taken


def test_an_append_is_one_entry_and_is_counted(client: Redis) -> None:
    entry_id = run(client, append(3))
    ((stored_id, fields),) = client.xrange(KEYS.events)
    assert stored_id.decode() == entry_id
    assert fields[b"body"] == b"[" + b",".join([EVENT] * 3) + b"]"
    assert (fields[b"events"], fields[b"source"]) == (b"3", b"test")
    assert (books(client)["accepted"], books(client)["pending"]) == (3, 3)


def test_an_append_that_is_repeated_is_stored_once(client: Redis) -> None:
    first = run(client, append(2, chunk_id="same"))
    assert run(client, append(2, chunk_id="same")) == first
    assert books(client)["accepted"] == 2


def test_an_append_beyond_the_cap_is_refused_and_nothing_is_stored(client: Redis) -> None:
    run(client, append(2, backlog_max_events=3))
    with pytest.raises(QueueFull, match="FORWARDER_BACKLOG_MAX_EVENTS is 3: 2 refused"):
        run(client, append(2, backlog_max_events=3))
    assert books(client).entries == 1
    assert books(client)["refused:backlog"] == 2


def test_an_append_to_a_server_without_memory_is_refused_while_settling_goes_on(client: Redis) -> None:
    run(client, append(2))
    entries = pending_read(client, "a")
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            run(client, append(1))
        assert run(client, settle(entries, [(0, letter())])).entries == 1
    finally:
        client.config_set("maxmemory", 0)
    assert (books(client)["delivered"], books(client).dead) == (1, 1)


def test_appends_are_refused_with_memory_to_spare_and_taken_again_when_there_is_more(client: Redis) -> None:
    run(client, append(2))
    used = int(client.info("memory")["used_memory"])
    client.delete(KEYS.memory)
    client.config_set("maxmemory", used * 100 // 95)
    try:
        with pytest.raises(QueueFull, match=r"9\d % of its maxmemory .* FORWARDER_MEMORY_MAX_PERCENT is 90: 1 refused"):
            run(client, append(1))
        client.xadd(KEYS.events, {"body": EVENT})
        assert books(client)["refused:memory"] == 1
    finally:
        client.config_set("maxmemory", 0)
    assert eventually(lambda: not client.exists(KEYS.memory))
    run(client, append(1))
    assert books(client)["accepted"] == 3


def test_settling_acknowledges_deletes_buries_and_counts(client: Redis) -> None:
    run(client, append(2))
    run(client, append(1))
    entries = pending_read(client, "a")
    settled = run(client, settle(entries, [(0, letter(status=422, attempts=3, batch="b1"))], requests=2))
    assert settled == Settled(entries=2, lost_events=0)
    taken = books(client)
    assert (taken["delivered"], taken["dead_lettered"], taken["pending"], taken.entries) == (2, 1, 0, 0)
    assert (taken["requests"], taken["dead_lettered:rejected"]) == (2, 1)
    (found,) = dead_letters.scan(client, KEYS)
    assert (found.body, found.status, found.attempts, found.batch) == (EVENT, 422, 3, "b1")


def test_an_entry_by_plain_xadd_is_counted_when_it_is_settled(client: Redis) -> None:
    client.xadd(KEYS.events, {"body": EVENT})
    assert books(client)["accepted"] == 0
    run(client, settle(pending_read(client, "a")))
    assert (books(client)["accepted"], books(client)["delivered"]) == (1, 1)


def test_an_entry_is_settled_and_counted_once_whoever_settles_first(client: Redis) -> None:
    run(client, append(2))
    run(client, append(5))
    both = pending_read(client, "slow")
    run(client, settle(both[:1]))
    late = run(client, settle(both, [(0, letter()), (1, letter())]))
    assert late == Settled(entries=1, lost_events=2)
    taken = books(client)
    assert (taken["delivered"], taken["dead_lettered"], taken["ambiguous"]) == (6, 1, 2)


def test_entries_with_the_same_fields_are_read_by_columns(client: Redis) -> None:
    for number in range(3):
        client.xadd(KEYS.events, {"body": b"%d" % number, "source": b"s%d" % number}, id=f"{number + 1}-0")
    read = run(client, read_columns(KEYS, "me", 2, 1_000))
    assert isinstance(read, Columns)
    assert (read.names, read.ids) == ((b"body", b"source"), [b"1-0", b"2-0"])
    assert read.values == [[b"0", b"1"], [b"s0", b"s1"]]
    assert client.xpending(KEYS.events, GROUP)["pending"] == 2
    assert run(client, read_columns(KEYS, "me", 2, 1_000)) == Columns((b"body", b"source"), [b"3-0"], [[b"2"], [b"s2"]])
    assert run(client, read_columns(KEYS, "me", 2, 1_000)) == []


def test_large_entries_behind_many_small_ones_are_left_for_the_next_read(client: Redis) -> None:
    for number in range(300):
        client.xadd(KEYS.events, {"body": b"x" * (1 if number < 64 else 1_000)})
    assert [len(read.ids) for read in _by_columns(client, 200, 10_000)] == [128, 64, 64, 44]
    client.xgroup_setid(KEYS.events, GROUP, "0")
    assert [len(read.ids) for read in _by_columns(client, 200, 1_000_000)] == [200, 100]


def _by_columns(client: Redis, count: int, max_bytes: int) -> Iterator[Columns]:
    while read := run(client, read_columns(KEYS, "me", count, max_bytes)):
        assert isinstance(read, Columns)
        yield read


@pytest.mark.parametrize(
    "other",
    [{"body": "x", "at": "1"}, {"at": "1"}, {"body": "x", "source": "s", "v": "2"}, {f"f{n}": "x" for n in range(20)}],
)
def test_entries_with_other_fields_are_read_one_by_one(client: Redis, other: dict[str, str]) -> None:
    made = [other, {"body": "a", "source": "b"}, other]
    ids = [client.xadd(KEYS.events, fields) for fields in made]
    read = run(client, read_columns(KEYS, "me", 9, 1_000))
    assert isinstance(read, list)
    entries = [stream.entry_of(raw) for raw in read]
    assert [entry.id for entry in entries] == ids
    assert [{name.decode(): value.decode() for name, value in entry.fields.items()} for entry in entries] == made


def test_a_settle_whose_reply_was_lost_can_be_repeated_and_counts_once(client: Redis) -> None:
    run(client, append(2))
    entries = pending_read(client, "token")
    client.hset(KEYS.batches, "token/b1", b"1 0 2 " + entries[0].id)
    done = [Settlement(entries[0], 2, [letter()])]
    first = settlement.settle(KEYS, done, {"requests": 1, "ambiguous": 2}, records=["token/b1"])
    assert run(client, first).entries == 1
    again = settlement.settle(KEYS, done, {"requests": 1, "ambiguous": 2}, records=["token/b1"], again=True)
    assert run(client, again) == Settled(0, 0)
    taken = books(client)
    assert (taken["requests"], taken["ambiguous"], taken["delivered"], taken.dead) == (1, 2, 1, 1)
    assert client.hgetall(KEYS.batches) == {}


def test_a_settle_that_is_repeated_because_it_never_arrived_counts(client: Redis) -> None:
    run(client, append(2))
    entries = pending_read(client, "token")
    client.hset(KEYS.batches, "token/b1", b"1 0 2 " + entries[0].id)
    step = settlement.settle(KEYS, [Settlement(entries[0], 2)], {"requests": 1}, records=["token/b1"], again=True)
    assert run(client, step).entries == 1
    assert (books(client)["requests"], books(client)["delivered"]) == (1, 2)


def test_settling_more_entries_than_lua_can_unpack_at_once(client: Redis) -> None:
    with client.pipeline(transaction=False) as many:
        for _ in range(2_500):
            many.xadd(KEYS.events, {"body": EVENT})
        many.execute()
    entries = []
    while page := pending_read(client, "a"):
        entries += page
    assert run(client, settle(entries)).entries == 2_500
    assert books(client)["delivered"] == 2_500


def test_a_tally_is_counted_without_entries_and_once_when_it_has_a_name(client: Redis) -> None:
    once = count_tally(KEYS, {"requests": 3}, name="a-batch")
    assert [run(client, once), run(client, once)] == [True, False]
    assert books(client)["requests"] == 3
    assert 0 < client.ttl(KEYS.chunk("a-batch")) <= TRACE_S
    often = count_tally(KEYS, {"requests": 1, "retries": 2})
    assert [run(client, often), run(client, often)] == [True, True]
    assert (books(client)["requests"], books(client)["retries"]) == (5, 4)


def test_recut_replaces_an_entry_and_buries_what_is_invalid(client: Redis) -> None:
    client.xadd(KEYS.events, {"body": b"[...]", "source": "raw", "traceparent": "00-a-b-01 00-c-d-01"})
    (entry,) = pending_read(client, "a")
    both, one = Members(EVENT + b"," + EVENT, 2), Members(EVENT, 1)
    pieces = [PutBack(both, accepted([5, 7])), PutBack(one, accepted([6]))]
    assert run(client, recut(KEYS, Recut(entry, pieces, [letter(reason="invalid")]))).entries == 1
    taken = books(client)
    assert (taken["accepted"], taken["pending"], taken["dead_lettered:invalid"], taken.entries) == (4, 3, 1, 2)
    again = pending_read(client, "a")
    assert [(entry.counted, entry.accepted) for entry in again] == [(2, accepted([5, 7])), (1, accepted([6]))]
    assert [entry.traceparents for entry in again] == [["00-a-b-01", "00-c-d-01"]] * 2
    assert run(client, recut(KEYS, Recut(entry, pieces, []), again=True)) == Settled(0, 0)
    assert books(client) == taken


def test_an_entry_that_lies_about_its_events_does_not_unbalance_the_books(client: Redis) -> None:
    client.xadd(KEYS.events, {"body": EVENT, "events": "7"})
    (entry,) = pending_read(client, "a")
    run(client, settlement.settle(KEYS, [Settlement(entry, 1)], {}))
    assert books(client)["delivered"] == 1


def test_wake_takes_the_first_free_slot_only_when_there_is_work(client: Redis) -> None:
    def wake(slots: list[int], behind_ms: int = 0) -> lease.Woken:
        return run(client, lease.wake(KEYS, slots, 60, behind_ms=behind_ms))

    assert wake([0, 1]).slot is None
    entry_id = run(client, append(1))
    first = wake([0, 1])
    assert (first.slot, first.first_taken, first.newest.decode()) == (0, True, entry_id)
    assert wake([0, 1]).slot == 1
    assert wake([0, 1]).slot is None
    assert wake([2], behind_ms=3_600_000).slot is None, "an entry that is young is not worth another drain"
    assert eventually(lambda: wake([2], behind_ms=1).slot == 2)
    pending_read(client, "a")
    assert wake([3], behind_ms=1).slot is None, "an entry that somebody has read is not waiting"


def test_a_promised_slot_is_taken_by_the_drain_that_comes_first(client: Redis) -> None:
    run(client, append(1))
    assert run(client, lease.wake(KEYS, [0], 60)).slot == 0
    assert run(client, lease.keep(KEYS, 0, "first", 60))
    assert not run(client, lease.keep(KEYS, 0, "second", 60))


def test_a_lease_belongs_to_one_token(client: Redis) -> None:
    assert run(client, lease.keep(KEYS, 0, "a", 60))
    assert not run(client, lease.keep(KEYS, 0, "b", 60))
    assert not run(client, lease.leave(KEYS, 0, "b"))
    assert run(client, lease.leave(KEYS, 0, "a"))
    assert run(client, lease.keep(KEYS, 0, "b", 60))
    assert 0 < client.pttl(KEYS.lease(0)) <= 60_000


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


def test_scripts_are_loaded_again_when_the_server_forgot_them(client: Redis) -> None:
    run(client, append(1))
    client.script_flush()
    run(client, append(1))
    assert books(client)["accepted"] == 2


def test_what_has_no_outcome_is_put_back_and_the_rest_is_settled(client: Redis) -> None:
    run(client, append(5))
    (entry,) = pending_read(client, "a")
    done = Settlement(entry, 5, [letter()], [PutBack(Members(EVENT + b"," + EVENT, 2), entry.accepted)])
    assert run(client, settlement.settle(KEYS, [done], {})).entries == 1
    taken = books(client)
    assert (taken["delivered"], taken["dead_lettered"], taken["pending"], taken.entries) == (2, 1, 2, 1)
    assert run(client, settlement.settle(KEYS, [done], {})) == Settled(entries=0, lost_events=5)
    assert books(client).entries == 1, "what somebody else settled is not put back again"
