"""May an entry travel as it is? If not, which pieces of it can, and which events are invalid (pure)."""

from collections.abc import Sequence
from itertools import islice

from forwarder.feedback import Codec, Sifted, join
from forwarder.flaws import Flaw
from forwarder.queue.accepted import Accepted, accepted
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.settlement import PutBack, Recut
from forwarder.queue.stream import CHUNK_MAX_BYTES, CHUNK_MAX_EVENTS, Entry
from workers.batch import BRACKETS, Capacity, Load
from workers.coalesce import pack

_Timed = tuple[int, bytes]
"""An event, and when it was first accepted (ms since 1970)."""

LETTERS_PER_RECUT = 5_000
"""More invalid events than this are put back and met again, so that no step keeps Redis busy for long."""


def admit(entry: Entry, codec: Codec, capacity: Capacity) -> Load | Recut:
    """Look at an entry, whoever wrote it.

    Args:
        entry: as it was read; its body may be anything.
        codec: says what a valid event is.
        capacity: of a batch; an entry that is larger is cut.
    """
    body = entry.body
    members = codec.members(body)
    if members is not None and capacity.holds(members.count, len(members.joined)):
        return Load(entry, members)
    sifted = codec.sift(body)
    times = entry.accepted
    letters, good = [_invalid(entry, times, flaw) for flaw in sifted.bad], _timed(sifted, times)
    fitting = [(at_ms, event) for at_ms, event in good if capacity.holds(1, len(event))]
    letters += [_too_large(entry, at_ms, event, capacity) for at_ms, event in good if not capacity.holds(1, len(event))]
    whole = join([event for _, event in fitting])
    if not letters and capacity.holds(whole.count, len(whole.joined)):
        return Load(entry, whole)
    put_back = [(letter.at_ms, letter.body) for letter in letters[LETTERS_PER_RECUT:]]
    chunk = Capacity(min(CHUNK_MAX_EVENTS, capacity.max_events), min(CHUNK_MAX_BYTES, capacity.max_bytes))
    return Recut(entry, _packed(fitting + put_back, chunk), letters[:LETTERS_PER_RECUT])


def damaged(entry: Entry, problem: str) -> Recut:
    """An entry whose body nobody can read becomes one dead letter, as it is."""
    return Recut(entry, [], [_letter(entry, entry.at_ms, entry.body, "invalid", problem)])


def quarantine(entry: Entry, codec: Codec, *, whole: bool) -> Recut:
    """Every event of an entry that was handed out too often becomes a dead letter.

    Args:
        entry: which may be what kills drains.
        codec: takes it apart.
        whole: it is buried as it is, in one letter, because taking it apart did not succeed either.
    """
    error = f"handed to a drain {entry.deliveries} times and never settled: it may be what kills them"
    if whole:
        return Recut(entry, [], [_letter(entry, entry.at_ms, entry.body, "poison", error)])
    sifted, times = codec.sift(entry.body), entry.accepted
    bodies = [*_timed(sifted, times), *((times.of(flaw.index or 0), flaw.raw) for flaw in sifted.bad)]
    letters = [_letter(entry, at_ms, body, "poison", error) for at_ms, body in bodies[:LETTERS_PER_RECUT]]
    rest = Capacity(CHUNK_MAX_EVENTS, CHUNK_MAX_BYTES)
    return Recut(entry, _packed(bodies[LETTERS_PER_RECUT:], rest), letters)


def _timed(sifted: Sifted, times: Accepted) -> list[_Timed]:
    """The good events, each with its first time; those that are bad had their places between them."""
    bad = {flaw.index for flaw in sifted.bad}
    places = (place for place in range(len(sifted.good) + len(bad)) if place not in bad)
    return [(times.of(place), event) for place, event in zip(places, sifted.good, strict=False)]


def _packed(events: Sequence[_Timed], capacity: Capacity) -> list[PutBack]:
    times = (at_ms for at_ms, _ in events)
    pieces = pack([event for _, event in events], capacity)
    return [PutBack(piece, accepted(list(islice(times, piece.count)))) for piece in pieces]


def _invalid(entry: Entry, times: Accepted, flaw: Flaw) -> DeadLetter:
    reason = "the entry has no field `body`" if b"body" not in entry.fields else str(flaw)
    return _letter(entry, times.of(flaw.index or 0), flaw.raw, "invalid", reason)


def _too_large(entry: Entry, at_ms: int, event: bytes, capacity: Capacity) -> DeadLetter:
    problem = f"the event has {len(event)} bytes; FORWARDER_BATCH_MAX_BYTES leaves {capacity.max_bytes - BRACKETS}"
    return _letter(entry, at_ms, event, "too_large", problem)


def _letter(entry: Entry, at_ms: int, body: bytes, reason: str, error: str) -> DeadLetter:
    return DeadLetter(body, reason, error, at_ms=at_ms, source=entry.source, entry=entry.id, replays=entry.replays)
