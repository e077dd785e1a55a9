"""May an entry travel as it is? If not, which pieces of it can, and which events are invalid (pure)."""

from forwarder.feedback import Codec, join
from forwarder.flaws import Flaw
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.settlement import Recut
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, Entry
from workers.batch import BRACKETS, Capacity, Load, pack

LETTERS_PER_RECUT = 5_000
"""More invalid events than this are put back and met again, so that no step keeps Redis busy for long."""


def admit(entry: Entry, codec: Codec, capacity: Capacity) -> Load | Recut:
    """Look at an entry, whoever wrote it.

    Args:
        entry: as it was read; its body may be anything.
        codec: says what a valid event is.
        capacity: of a batch; an entry that is larger is cut.
    """
    members = codec.members(entry.body)
    if members is not None and capacity.holds(members.count, len(members.joined)):
        return Load(entry, members)
    sifted = codec.sift(entry.body)
    letters = [_invalid(entry, flaw) for flaw in sifted.bad]
    fitting = [event for event in sifted.good if capacity.holds(1, len(event))]
    letters += [_too_large(entry, event, capacity) for event in sifted.good if not capacity.holds(1, len(event))]
    whole = join(fitting)
    if not letters and capacity.holds(whole.count, len(whole.joined)):
        return Load(entry, whole)
    put_back = [letter.body for letter in letters[LETTERS_PER_RECUT:]]
    chunk = Capacity(min(CHUNK_MAX_EVENTS, capacity.max_events), min(CHUNK_MAX_BYTES, capacity.max_bytes))
    return Recut(entry, pack(fitting + put_back, chunk), letters[:LETTERS_PER_RECUT])


def quarantine(entry: Entry, codec: Codec, *, whole: bool) -> Recut:
    """Every event of an entry that was handed out too often becomes a dead letter.

    Args:
        entry: which may be what kills drains.
        codec: takes it apart.
        whole: it is buried as it is, in one letter, because taking it apart did not succeed either.
    """
    error = f"handed to a drain {entry.deliveries} times and never settled: it may be what kills them"
    if whole:
        return Recut(entry, [], [_letter(entry, entry.body, "poison", error)])
    sifted = codec.sift(entry.body)
    bodies = [*sifted.good, *(flaw.raw for flaw in sifted.bad)]
    letters = [_letter(entry, body, "poison", error) for body in bodies[:LETTERS_PER_RECUT]]
    rest = Capacity(CHUNK_MAX_EVENTS, CHUNK_MAX_BYTES)
    return Recut(entry, pack(bodies[LETTERS_PER_RECUT:], rest), letters)


def _invalid(entry: Entry, flaw: Flaw) -> DeadLetter:
    reason = "the entry has no field `body`" if b"body" not in entry.fields else str(flaw)
    return _letter(entry, flaw.raw, "invalid", reason)


def _too_large(entry: Entry, event: bytes, capacity: Capacity) -> DeadLetter:
    problem = f"the event has {len(event)} bytes; FORWARDER_BATCH_MAX_BYTES leaves {capacity.max_bytes - BRACKETS}"
    return _letter(entry, event, "too_large", problem)


def _letter(entry: Entry, body: bytes, reason: str, error: str) -> DeadLetter:
    return DeadLetter(
        body, reason, error, at_ms=entry.at_ms, source=entry.source, entry=entry.id, replays=entry.replays
    )
