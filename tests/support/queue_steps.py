"""Steps on the queue as tests take them, and the books that must close after each."""

from typing import Any

from forwarder.feedback import Members
from forwarder.queue import settlement, stream
from forwarder.queue.caps import Caps
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.ledger import Snapshot, snapshot
from forwarder.queue.scripts import Step, run
from forwarder.queue.settlement import Settled, Settlement
from forwarder.queue.stream import Entry

Redis = Any
"""redis-py types a reply as all that any of its clients could get."""
KEYS = Keys()
"""Of the default destination."""
EVENT = b'{"trace_id":"t","value":1}'


def append(count: int = 1, chunk_id: str | None = None, backlog_max_events: int = 1_000) -> Step[str]:
    """So many events in an entry; answers its id. Raises QueueFull beyond the cap."""
    members = Members(b",".join([EVENT] * count), count)
    return stream.append(
        KEYS,
        members,
        chunk_id=chunk_id or stream.new_chunk_id(),
        source="test",
        caps=Caps(backlog_max_events=backlog_max_events, dedupe_ttl_s=60),
    )


def pending_read(client: Redis, consumer: str) -> list[Entry]:
    """Up to 100 entries that nobody has read yet."""
    reply = client.xreadgroup(GROUP, consumer, {KEYS.events: ">"}, count=100)
    return [Entry(entry_id, fields) for entry_id, fields in reply[0][1]] if reply else []


def settle(entries: list[Entry], letters: list[tuple[int, DeadLetter]] | None = None, **tally: int) -> Step[Settled]:
    """Settle entries; each letter goes with the index of its entry, and what has none has been delivered."""
    done = [
        Settlement(entry, entry.counted or 1, [letter for of, letter in letters or [] if of == index])
        for index, entry in enumerate(entries)
    ]
    return settlement.settle(KEYS, done, tally)


def letter(**fields: object) -> DeadLetter:
    """One that was refused, if nothing else is said."""
    return DeadLetter(**{"body": EVENT, "reason": "rejected", "error": "no", **fields})  # type: ignore[arg-type]


def books(client: Redis) -> Snapshot:
    """The books, which must close."""
    taken = run(client, snapshot(KEYS))
    assert all(line.closes for line in taken.lines), [str(line) for line in taken.lines]
    return taken
