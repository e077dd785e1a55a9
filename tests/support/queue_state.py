"""What a model of the queue knows of each event: where it is, and how often it was sent; and what must hold of both."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)

from forwarder.feedback import join
from forwarder.queue import dead_letters, replays
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP
from forwarder.queue.ledger import snapshot
from forwarder.queue.scripts import Step, run
from forwarder.queue.settlement import PutBack, Settlement
from forwarder.queue.stream import Entry
from tests.support.queue_steps import KEYS

SLOTS = 3
"""Of the drains that there may be."""
DELIVERED, BURIED, PUT_BACK = "delivered", "buried", "put back"
"""What becomes of an event that was sent."""


@dataclass(eq=False)
class Parcel:
    """Entries that a drain sends together; `attempts` are its own, `before` those of the drains before it."""

    batch: str
    entries: list[Entry]
    before: int = 0
    attempts: int = 0


@dataclass(eq=False)
class Drain:
    """One drain: it may be alive, or stopped so long that its lease is gone, and then go on."""

    slot: int
    token: str
    alive: bool = True
    unsent: list[Entry] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)


def events_of(body: bytes) -> list[str]:
    """The trace ids of the events of a body, which name them."""
    parsed = json.loads(body)
    return [event["trace_id"] for event in (parsed if isinstance(parsed, list) else [parsed])]


def event(trace_id: str) -> bytes:
    """The event of this name."""
    return json.dumps({"trace_id": trace_id, "value": 1}).encode()


class QueueState(RuleBasedStateMachine):
    """Where the model has each event, and what must hold after each step; `client` is set by the test."""

    client: Any

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.made = 0
        self.tokens = 0
        self.waiting: set[str] = set()
        self.counted: set[str] = set()
        self.dead: set[str] = set()
        self.born: dict[str, int] = {}
        self.books: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.replays: list[replays.Record] = []
        self.living: dict[int, Drain] = {}

    def run(self, step: Step[Any]) -> Any:  # noqa: ANN401 - the step's answer
        """Take a step on the real queue."""
        return run(self.client, step)

    def _new(self, count: int) -> list[str]:
        names = [f"e{self.made + number}" for number in range(count)]
        self.made += count
        self.waiting.update(names)
        self.born.update(dict.fromkeys(names, self.made))
        return names

    def _settlement(self, entry: Entry, by_fate: dict[str, list[str]]) -> Settlement:
        places, times = {name: place for place, name in enumerate(events_of(entry.body))}, entry.accepted
        dying, returning = by_fate[BURIED], by_fate[PUT_BACK]
        letters = [DeadLetter(event(name), "rejected", "no", at_ms=times.of(places[name])) for name in dying]
        part = times.part([places[name] for name in returning]) if returning else times
        back = [PutBack(join([event(name) for name in returning]), part)] if returning else []
        return Settlement(entry, sum(len(names) for names in by_fate.values()), letters, back)

    def _note(self, by_fate: dict[str, list[str]]) -> None:
        for fate, names in by_fate.items():
            self.books["accepted"] += len(set(names) - self.counted)
            self.counted.update(names)
            if fate != PUT_BACK:
                self.waiting.difference_update(names)
                self.books[fate] += len(names)
        self.dead.update(by_fate[BURIED])

    def _pending(self) -> list[dict[str, Any]]:
        pending: list[dict[str, Any]] = self.client.xpending_range(KEYS.events, GROUP, "-", "+", 10_000)
        return pending

    @invariant()
    def every_event_is_where_the_model_has_it_and_only_there(self) -> None:
        """On the stream or among the dead, once."""
        on_stream = [name for _, fields in self.client.xrange(KEYS.events) for name in events_of(fields[b"body"])]
        buried = [name for letter in dead_letters.scan(self.client, KEYS) for name in events_of(letter.body)]
        assert Counter(on_stream) == Counter(self.waiting)
        assert Counter(buried) == Counter(self.dead)

    @invariant()
    def every_event_keeps_the_time_when_it_was_first_accepted(self) -> None:
        """Wherever it goes."""
        for entry_id, fields in self.client.xrange(KEYS.events):
            times = Entry(entry_id, fields).accepted
            for place, name in enumerate(events_of(fields[b"body"])):
                assert times.of(place) == self.born[name]
        for letter in dead_letters.scan(self.client, KEYS):
            assert [letter.at_ms] == [self.born[name] for name in events_of(letter.body)]

    @invariant()
    def a_replay_knows_what_became_of_each_of_its_events(self) -> None:
        """What it moved has been delivered, has died again, or waits."""
        waiting: Counter[str] = Counter()
        for _, fields in self.client.xrange(KEYS.events):
            waiting[fields.get(b"replay", b"").decode()] += len(events_of(fields[b"body"]))
        for replay in self.replays:
            record = replays.get(self.client, KEYS, replay.id)
            assert record
            assert record.moved == record.delivered + record.died + waiting[replay.id]

    @invariant()
    def the_books_close_and_say_the_same(self) -> None:
        """Line by line."""
        taken = run(self.client, snapshot(KEYS))
        assert all(line.closes for line in taken.lines), [str(line) for line in taken.lines]
        ours = {"delivered": self.books[DELIVERED], "dead_lettered": self.books[BURIED]}
        ours |= {name: self.books[name] for name in ("accepted", "replayed", "purged")}
        assert {name: taken[name] for name in ours} == ours
        assert taken["pending"] == len(self.waiting & self.counted)
