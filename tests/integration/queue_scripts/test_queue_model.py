"""The queue against a model of it: any order of appends, reads, sends, settles, deaths, take-overs, replays and purges.

The model knows only events: where each one is, and how often it was sent. After each step the real server must say the
same, and its books must close; in the end, when everything is settled, what was sent twice must have been counted.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from forwarder.feedback import join
from forwarder.queue import dead_letters, in_flight, lease, settlement, stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import connect
from forwarder.queue.in_flight import Record
from forwarder.queue.keys import GROUP
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import run
from forwarder.queue.settlement import Settled
from forwarder.queue.stream import Entry
from forwarder.queue.tally import count_tally
from forwarder.settings import Settings
from tests.support.queue_state import (
    BURIED,
    DELIVERED,
    PUT_BACK,
    SLOTS,
    Drain,
    Parcel,
    QueueState,
    event,
    events_of,
)
from tests.support.queue_steps import KEYS
from tests.support.replays import begun, moved, witness

drains: Bundle["Drain"] = Bundle("drains")


class QueueModel(QueueState):
    """The rules: whatever may happen to the queue, in any order."""

    @initialize()
    def create_the_group(self) -> None:
        self.run(stream.ensure_group(KEYS))

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        names = self._new(count)
        members = join([event(name) for name in names])
        chunk = stream.new_chunk_id()
        for _ in range(2):  # its reply is lost, and it is repeated
            self.run(stream.append(KEYS, members, chunk_id=chunk, source="", caps=Caps(), at_ms=self.made))
        self.counted.update(names)
        self.books["accepted"] += count

    @rule(count=st.integers(1, 3))
    def add_by_plain_xadd(self, count: int) -> None:
        body = b"[" + b",".join(event(name) for name in self._new(count)) + b"]"
        self.client.xadd(KEYS.events, {"body": body, "at": self.made})

    @rule(target=drains, slot=st.integers(0, SLOTS - 1))
    def start(self, slot: int) -> Drain:
        return self._start(slot)

    def _start(self, slot: int) -> Drain:
        self.tokens += 1
        drain = Drain(slot, f"token{self.tokens}")
        drain.alive = self.run(lease.keep(KEYS, slot, drain.token, 600))
        assert drain.alive == (slot not in self.living)
        if drain.alive:
            self.living[slot] = drain
        return drain

    @rule(drain=drains, count=st.integers(1, 4))
    def read(self, drain: Drain, count: int) -> None:
        if drain.alive:
            reply = self.client.xreadgroup(GROUP, drain.token, {KEYS.events: ">"}, count=count)
            drain.unsent += [Entry(entry_id, fields) for entry_id, fields in reply[0][1]] if reply else []

    @rule(drain=drains)
    def take_over(self, drain: Drain) -> None:
        if not drain.alive:
            return
        living = {one.token for one in self.living.values()}
        before = {one["message_id"]: one["consumer"].decode() for one in self._pending()}
        claimed = self.run(in_flight.claim(KEYS, drain.token, 100, suspects=True))
        for entry in claimed.entries:
            assert before[entry.id] not in living, "taken from a living drain"
        if claimed.batch:
            drain.parcels.append(Parcel(claimed.batch, claimed.entries, claimed.attempts))
        else:
            drain.unsent += claimed.entries

    @rule(drain=drains, most=st.integers(1, 3))
    def send(self, drain: Drain, most: int) -> None:
        if drain.unsent:
            entries, drain.unsent = drain.unsent[:most], drain.unsent[most:]
            batch = "+".join(entry.id.decode() for entry in entries)
            parcel = Parcel(batch, entries)
            drain.parcels.append(parcel)
            self._send(drain, parcel)

    @rule(drain=drains, which=st.integers(0, 5))
    def send_again(self, drain: Drain, which: int) -> None:
        if drain.parcels:
            self._send(drain, drain.parcels[which % len(drain.parcels)])

    def _send(self, drain: Drain, parcel: Parcel) -> None:
        """Every attempt but the last one known may have been stored: the worst that an upstream can do."""
        names = [name for entry in parcel.entries for name in events_of(entry.body)]
        ids = [entry.id for entry in parcel.entries]
        ambiguous = parcel.attempts * len(names)
        record = Record(parcel.batch, ids, len(names), parcel.before + parcel.attempts + 1, ambiguous, ids[0])
        begun = self.run(in_flight.begin(KEYS, drain.slot, drain.token, [record]))[0]
        assert begun == drain.alive
        if begun:
            parcel.attempts += 1
            self.sent.update(names)

    @rule(
        drain=drains,
        which=st.integers(0, 5),
        fates=st.lists(st.sampled_from([DELIVERED, DELIVERED, BURIED, PUT_BACK]), min_size=9, max_size=9),
        lost_reply=st.booleans(),
    )
    def settle(self, drain: Drain, which: int, fates: list[str], *, lost_reply: bool) -> None:
        sent = [parcel for parcel in drain.parcels if parcel.attempts]
        if not sent:
            return
        parcel = sent[which % len(sent)]
        drain.parcels.remove(parcel)
        there = {entry.id for entry in parcel.entries if self.client.xrange(KEYS.events, entry.id, entry.id)}
        fate = iter(fates)
        settlements = []
        for entry in parcel.entries:
            by_fate: dict[str, list[str]] = {DELIVERED: [], BURIED: [], PUT_BACK: []}
            for name in events_of(entry.body):
                by_fate[next(fate, DELIVERED)].append(name)
            settlements.append(self._settlement(entry, by_fate))
            self.sent.subtract([*by_fate[BURIED], *by_fate[PUT_BACK]])  # the last attempt stored none of these
            if entry.id in there:
                self._note(by_fate)
        events = sum(one.events for one in settlements)
        tally = {"ambiguous": (parcel.attempts - 1) * events} if parcel.attempts > 1 else {}
        record = in_flight.record_field(drain.token, parcel.batch)
        settled = self.run(settlement.settle(KEYS, settlements, tally, records=[record]))
        assert settled.entries == len(there)
        if lost_reply:
            again = self.run(settlement.settle(KEYS, settlements, tally, records=[record], again=True))
            assert again == Settled(0, 0)

    @rule(drain=drains)
    def die(self, drain: Drain) -> None:
        """Its lease runs out: it was killed, or stopped, in which case it may go on later."""
        if drain.alive:
            drain.alive = False
            del self.living[drain.slot]
            self.client.delete(KEYS.lease(drain.slot))

    @rule(drain=consumes(drains))
    def end_in_order(self, drain: Drain) -> None:
        """What it leaves has not arrived by the last attempt; what may have by those before, it counts."""
        for parcel in drain.parcels:
            names = [name for entry in parcel.entries for name in events_of(entry.body)]
            if parcel.attempts:
                self.sent.subtract(names)
                self.run(count_tally(KEYS, {"ambiguous": (parcel.attempts - 1) * len(names)}))
        assert self.run(lease.leave(KEYS, drain.slot, drain.token)) == drain.alive
        if drain.alive:
            del self.living[drain.slot]

    @precondition(lambda self: self.dead)
    @rule(count=st.integers(1, 3), as_a_whole=st.booleans())
    def replay(self, count: int, *, as_a_whole: bool) -> None:
        once, again = begun(self.client), begun(self.client)
        known, known_again = [witness(self.client, record) if as_a_whole else "" for record in (once, again)]
        letters = list(dead_letters.scan(self.client, KEYS))[:count]
        assert moved(self.client, once, letters, known) == (len(letters), 0)
        assert moved(self.client, once, letters, known) == (len(letters), 0)  # a page whose reply was lost
        assert moved(self.client, again, letters, known_again) == (0, len(letters))
        self.replays.append(once)
        names = [name for letter in letters for name in events_of(letter.body)]
        self.dead.difference_update(names)
        self.waiting.update(names)
        self.books["replayed"] += len(names)

    @precondition(lambda self: self.dead)
    @rule(count=st.integers(1, 3))
    def purge(self, count: int) -> None:
        letters = list(dead_letters.scan(self.client, KEYS))[:count]
        assert self.run(dead_letters.purge(KEYS, [letter.id or "" for letter in letters])) == len(letters)
        self.dead.difference_update(name for letter in letters for name in events_of(letter.body))
        self.books["purged"] += len(letters)

    def teardown(self) -> None:
        """All drains die; a last one takes over and delivers whatever is left."""
        for drain in list(self.living.values()):
            self.die(drain)
        last = self._start(0)
        left = -1
        while left != len(self.waiting):
            left = len(self.waiting)
            self.take_over(last)
            self.read(last, 100)
            while last.unsent:
                self.send(last, 3)
            for parcel in list(last.parcels):
                if not parcel.attempts:
                    self._send(last, parcel)
                self.settle(last, 0, [DELIVERED] * 9, lost_reply=False)
        self.every_event_is_where_the_model_has_it_and_only_there()
        self.the_books_close_and_say_the_same()
        assert self.waiting == set()
        assert self._pending() == []
        taken = run(self.client, snapshot(KEYS))
        copies = sum(max(0, times - 1) for times in self.sent.values())
        assert copies <= taken["ambiguous"] + taken["replayed"]
        self.end_in_order(last)
        assert self.client.hgetall(KEYS.batches) == {}


@pytest.mark.timeout(300)
def test_the_queue_does_what_its_model_does(settings_of_queue: Settings) -> None:
    client = connect(settings_of_queue)
    machine = type("Model", (QueueModel,), {"client": client})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # shrinking runs the real server for minutes
        ),
    )


@pytest.fixture
def settings_of_queue(settings: Settings) -> Settings:
    """The same by another name: Hypothesis has settings too."""
    return settings
