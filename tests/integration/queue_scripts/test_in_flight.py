"""Who takes over what an ended drain held, against the real server: whole batches, attempts, suspects, the fence."""

from forwarder.feedback import Members
from forwarder.queue import in_flight, lease, settlement, stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect
from forwarder.queue.in_flight import SUSPICIOUS_AFTER, Claimed
from forwarder.queue.keys import GROUP
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.queue.settlement import PutBack, Settled, Settlement
from forwarder.queue.stream import Entry
from forwarder.settings import Settings
from tests.support.drains import Someone, ambiguous, ids
from tests.support.queue_steps import EVENT, KEYS, Redis

REPLAY = "0123456789ab"


def append(client: Redis, count: int = 1) -> None:
    for _ in range(count):
        step = stream.append(
            KEYS,
            Members(EVENT, 1),
            chunk_id=stream.new_chunk_id(),
            source="test",
            caps=Caps(),
        )
        run(client, step)


def consumers(client: Redis) -> set[bytes]:
    return {consumer["name"] for consumer in client.xinfo_consumers(KEYS.events, GROUP)}


def test_a_batch_of_a_killed_drain_is_taken_over_whole_with_its_id_and_attempts_and_is_ambiguous(client: Redis) -> None:
    append(client, 6)
    dead = Someone(client, 0, "dead")
    entries = dead.read()
    assert dead.begin("first", entries[1::2], attempts=3, ambiguous=6)
    assert dead.begin("second", entries[:4:2], attempts=1)
    dead.die()
    living = Someone(client, 1, "living")
    claimed = [living.claim(), living.claim()]
    assert {one.batch: (ids(one.entries), one.attempts) for one in claimed} == {
        "first": (ids(entries[1::2]), 3),
        "second": (ids(entries[:4:2]), 1),
    }
    assert {entry.deliveries for one in claimed for entry in one.entries} == {2}
    assert ambiguous(client) == 6 + 3 + 2
    unsent = living.claim()
    assert (unsent.batch, ids(unsent.entries)) == ("", ids(entries[4:5]))
    assert ambiguous(client) == 11, "what was never sent cannot have arrived"
    assert living.claim() == Claimed()
    assert consumers(client) == {b"living"}


def test_what_was_taken_over_has_a_record_again_so_that_it_can_be_taken_over_once_more(client: Redis) -> None:
    append(client, 2)
    first = Someone(client, 0, "first")
    entries = first.read()
    first.begin("batch", entries, attempts=2)
    first.die()
    second = Someone(client, 0, "second")
    assert second.claim().batch == "batch"
    second.die()
    third = Someone(client, 0, "third")
    claimed = third.claim()
    assert (claimed.batch, claimed.attempts, ids(claimed.entries)) == ("batch", 2, ids(entries))
    assert third.settle("batch", claimed.entries) == Settled(2, 0)
    assert client.hgetall(KEYS.batches) == {}


def test_a_drain_that_ended_in_order_leaves_no_doubt_and_no_trace_of_death(client: Redis) -> None:
    append(client, 4)
    leaving = Someone(client, 0, "leaving")
    entries = leaving.read()
    leaving.begin("batch", entries[:2], attempts=7)
    leaving.leave()
    living = Someone(client, 0, "living")
    claimed = living.claim()
    assert (claimed.batch, claimed.attempts, ids(claimed.entries)) == ("batch", 7, ids(entries[:2]))
    unsent = living.claim()
    assert {entry.deliveries for entry in [*claimed.entries, *unsent.entries]} == {1}
    assert ambiguous(client) == 0
    assert living.claim() == Claimed()
    assert client.hgetall(KEYS.batches).keys() == {b"living/batch"}


def test_a_drain_that_could_not_settle_what_it_sent_leaves_a_doubt(client: Redis) -> None:
    append(client, 2)
    leaving = Someone(client, 0, "leaving")
    leaving.begin("batch", leaving.read())
    leaving.leave(in_order=False)
    assert Someone(client, 0, "living").claim().batch == "batch"
    assert ambiguous(client) == 2


def test_a_drain_that_leaves_nothing_is_forgotten(client: Redis) -> None:
    append(client, 1)
    drain = Someone(client, 0, "drain")
    drain.settle("", drain.read())
    drain.leave()
    assert consumers(client) == set()
    assert client.exists(KEYS.batches, KEYS.lease(0)) == 0


def test_no_record_stays_of_a_batch_whose_entries_were_settled_in_another_shape(client: Redis) -> None:
    append(client, 2)
    drain = Someone(client, 0, "drain")
    entries = drain.read()
    drain.begin("both", entries)
    drain.settle("", entries)
    drain.leave()
    assert not client.exists(KEYS.batches)


def test_leaving_without_a_stream_only_gives_the_lease_back(settings: Settings) -> None:
    client = connect(settings)
    drain = Someone(client, 0, "drain")
    drain.leave()
    assert client.keys("*") == []


def test_nothing_is_claimed_from_a_drain_that_holds_a_lease(client: Redis) -> None:
    append(client, 2)
    holder = Someone(client, 3, "holder")
    holder.begin("batch", holder.read())
    other = Someone(client, 0, "other")
    assert other.claim() == Claimed()
    holder.die()
    assert len(other.claim().entries) == 2


def test_no_more_than_asked_for_is_claimed_of_what_was_never_sent(client: Redis) -> None:
    append(client, 5)
    dead = Someone(client, 0, "dead")
    dead.read()
    dead.die()
    living = Someone(client, 0, "living")
    assert [len(living.claim(3).entries) for _ in range(3)] == [3, 2, 0]


def test_claiming_without_a_stream_finds_nothing(settings: Settings) -> None:
    assert run(connect(settings), in_flight.claim(KEYS, "a", 10, suspects=True)) == Claimed()


def test_a_batch_must_not_be_sent_without_the_lease(client: Redis) -> None:
    append(client, 1)
    stopped = Someone(client, 0, "stopped")
    entries = stopped.read()
    stopped.die()
    assert not stopped.begin("batch", entries)
    Someone(client, 0, "other")
    assert not stopped.begin("batch", entries)
    assert client.hgetall(KEYS.batches) == {}


def test_a_batch_that_was_taken_over_is_not_sent_by_a_drain_that_has_its_lease_again(client: Redis) -> None:
    append(client, 2)
    stopped = Someone(client, 0, "stopped")
    entries = stopped.read()
    stopped.die()
    assert len(Someone(client, 1, "other").claim().entries) == 2
    assert run(client, lease.keep(KEYS, 0, "stopped", 60))
    assert not stopped.begin("batch", entries)


def test_the_oldest_entry_tells_wherever_it_stands_in_its_batch(client: Redis) -> None:
    append(client, 2)
    stopped = Someone(client, 0, "stopped")
    entries = stopped.read()
    stopped.die()
    assert ids(Someone(client, 1, "other").claim(1).entries) == [entries[0].id]
    assert run(client, lease.keep(KEYS, 0, "stopped", 60))
    assert not stopped.begin("batch", entries[::-1])


def test_a_drain_that_wakes_up_after_its_batch_was_taken_over_and_settled_counts_nothing_twice(client: Redis) -> None:
    append(client, 2)
    stopped = Someone(client, 0, "stopped")
    entries = stopped.read()
    stopped.begin("batch", entries)
    stopped.die()
    other = Someone(client, 0, "other")
    assert other.settle("batch", other.claim().entries) == Settled(2, 0)
    assert stopped.settle("batch", entries) == Settled(0, 2)
    assert run(client, snapshot(KEYS))["delivered"] == 2
    assert ambiguous(client) >= 2


def killed_by(client: Redis, times: int) -> None:
    """So many drains take over whatever there is, and die."""
    for number in range(times):
        victim = Someone(client, 0, f"victim{number}")
        while victim.claim(suspects=number >= SUSPICIOUS_AFTER).entries:
            pass
        victim.read()
        victim.die()


def test_entries_that_were_there_whenever_drains_died_are_handed_out_one_at_a_time(client: Redis) -> None:
    append(client, 3)
    killed_by(client, SUSPICIOUS_AFTER)
    append(client, 1)
    careful = Someone(client, 0, "careful")
    assert careful.claim(suspects=False) == Claimed(), "they are set aside"
    assert len(careful.read()) == 1, "and do not stand in the way of others"
    first = careful.claim()
    assert (len(first.entries), first.entries[0].deliveries) == (1, SUSPICIOUS_AFTER + 1)
    assert careful.claim(suspects=False) == Claimed()
    careful.settle("", first.entries)
    assert len(careful.claim().entries) == 1


def test_only_the_suspect_in_hand_is_suspected_more_when_a_drain_dies(client: Redis) -> None:
    append(client, 2)
    killed_by(client, SUSPICIOUS_AFTER)
    victim = Someone(client, 0, "victim")
    victim.claim(suspects=False)
    (taken,) = victim.claim().entries
    victim.die()
    witness = Someone(client, 0, "witness")
    witness.claim(suspects=False)
    pending = client.xpending_range(KEYS.events, GROUP, "-", "+", 10)
    times = {one["message_id"]: one["times_delivered"] for one in pending}
    assert times.pop(taken.id) == SUSPICIOUS_AFTER + 2
    assert list(times.values()) == [SUSPICIOUS_AFTER + 1]


def test_a_batch_loses_its_suspects_and_what_remains_is_another_batch(client: Redis) -> None:
    append(client, 1)
    killed_by(client, SUSPICIOUS_AFTER)
    append(client, 1)
    victim = Someone(client, 0, "last")
    pending = client.xpending_range(KEYS.events, GROUP, "-", "+", 10)
    old = Entry(pending[0]["message_id"], {})
    client.xclaim(KEYS.events, GROUP, "last", 0, [old.id], justid=True, retrycount=SUSPICIOUS_AFTER)
    (young,) = victim.read()
    victim.begin("batch", [old, young])
    victim.die()
    claimed = Someone(client, 0, "living").claim()
    assert (claimed.batch, ids(claimed.entries)) == ("", [young.id])


def test_what_is_put_back_keeps_what_its_entry_knew_and_the_tries_so_far(client: Redis) -> None:
    client.xadd(KEYS.events, {"body": EVENT, "source": "web", "at": "1234", "replays": "2", "replay": REPLAY})
    someone = Someone(client, 0, "a")
    (entry,) = someone.read()

    back = Settlement(entry, 1, put_back=[PutBack(Members(EVENT, 1), entry.accepted)], attempts=3)
    run(client, settlement.settle(KEYS, [back], {}))

    (again,) = someone.read()
    assert again.id != entry.id
    assert (again.attempts, again.queued_ms, again.at_ms) == (3, entry.queued_ms, 1234)
    assert (again.source, again.replays, again.replay) == (b"web", 2, REPLAY)
    assert ambiguous(client) == 0


def test_a_replay_is_told_once_of_an_entry_that_two_settle(client: Redis) -> None:
    client.hset(KEYS.replay(REPLAY), "delivered", 0)
    client.xadd(KEYS.events, {"body": EVENT, "replay": REPLAY})
    someone = Someone(client, 0, "a")
    (entry,) = someone.read()

    assert someone.settle("", [entry]) == Settled(entries=1, lost_events=0)
    assert someone.settle("", [entry]) == Settled(entries=0, lost_events=1)

    assert client.hget(KEYS.replay(REPLAY), "delivered") == b"1"
