"""Settle: the one step by which entries leave the queue, whatever became of their events.

Each event of a settled entry is delivered, buried as a dead letter, or put back in a new entry; the step acknowledges
and deletes the entry and counts all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from forwarder.feedback import Members
from forwarder.queue.accepted import Accepted
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import Argument, Step
from forwarder.queue.stream import Entry

FIRST_REPLAY: Final = 5
"""The place of the first replay's hash in settle.lua's KEYS."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """Events that become an entry of their own, and when they were first accepted."""

    members: Members
    accepted: Accepted


@dataclass(frozen=True, slots=True)
class Settlement:
    """One entry and what became of its events: those that are neither buried nor put back were delivered.

    Attributes:
        entry: as it was read.
        events: how many it really has.
        letters: the dead among them.
        put_back: those without an outcome, in pieces that become entries of their own.
        attempts: to send what is put back, so far.
    """

    entry: Entry
    events: int
    letters: Sequence[DeadLetter] = ()
    put_back: Sequence[PutBack] = ()
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class DeliveredSingles:
    """Entries of one event each, of no replay, whose events were all delivered.

    Attributes:
        ids: theirs.
        counted: events that the append of each has counted.
    """

    ids: Sequence[bytes]
    counted: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settle did.

    Attributes:
        entries: settled by it.
        lost_events: of entries that somebody else had settled before; they may have been delivered twice.
    """

    entries: int
    lost_events: int


def settle(
    keys: Keys,
    settlements: Sequence[Settlement | DeliveredSingles],
    tally: Mapping[str, int],
    *,
    records: Sequence[str] = (),
    again: bool = False,
) -> Step[Settled]:
    """Acknowledge, delete, bury, put back and count, in one step.

    Args:
        keys: the partition.
        settlements: what is done with.
        tally: further counters and their increments.
        records: the fields of the batches' records, which go with them; none for what was never sent.
        again: the reply to the same step was lost; when it had been carried out, nothing is counted again.
    """
    columns = _columns(settlements)
    letters = [(index, letter) for index, one in columns.looked_at for letter in one.letters]
    pieces = [(index, one, piece) for index, one in columns.looked_at for piece in one.put_back]
    args: list[Argument] = [GROUP, len(columns.ids), _numbers(columns.counted), _numbers(columns.events)]
    args += [len(tally) * 2, len(letters), len(pieces), ",".join(records), int(again)]
    replays = list(dict.fromkeys([replay for _, one in columns.looked_at if (replay := one.entry.replay)]))
    args += [_places(columns, replays), b",".join(columns.ids)]
    for name, increment in tally.items():
        args += [name, increment]
    bodies: list[int] = []
    for index, letter in letters:
        bodies.append(len(args) + 1)
        args += [index, *letter.values()]
    for index, one, piece in pieces:
        members, times = piece.members, piece.accepted
        bodies.append(len(args) + 2)
        args += [index, members.count, b"[" + members.joined + b"]", times.at_ms, times.ats, *_kept(one)]
    step_keys = [keys.events, keys.ledger, keys.dead, keys.batches, *(keys.replay(replay) for replay in replays)]
    return Step("settle", step_keys, args, lambda reply: Settled(*reply), bodies)


@dataclass(slots=True)
class _Columns:
    """The entries of a step, column by column; with those that must be looked at, by their index from 1."""

    ids: list[bytes] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    looked_at: list[tuple[int, Settlement]] = field(default_factory=list)


def _columns(settlements: Sequence[Settlement | DeliveredSingles]) -> _Columns:
    columns = _Columns()
    for one in settlements:
        if isinstance(one, DeliveredSingles):
            columns.ids += one.ids
            columns.counted += [str(one.counted)] * len(one.ids)
            columns.events += ["1"] * len(one.ids)
        else:
            columns.ids.append(one.entry.id)
            columns.counted.append(str(one.entry.counted))
            columns.events.append(str(one.events))
            columns.looked_at.append((len(columns.ids), one))
    return columns


def _numbers(column: Sequence[str]) -> str:
    """One by one, unless one number says it all: then Redis has nothing to take apart."""
    return column[0] if len(set(column)) == 1 else ",".join(column)


def _places(columns: _Columns, replays: Sequence[str]) -> str:
    """For each entry where among the keys the hash of its replay is; nothing when none is of a replay."""
    if not replays:
        return ""
    known = {replay: place for place, replay in enumerate(replays, FIRST_REPLAY)}
    places = [0] * len(columns.ids)
    for index, one in columns.looked_at:
        places[index - 1] = known.get(one.entry.replay, 0)
    return ",".join(map(str, places))


def _kept(one: Settlement) -> list[Argument]:
    """What an entry that is put back keeps of the one that it came in."""
    entry = one.entry
    return [entry.source, entry.replays, one.attempts, entry.queued_ms, entry.replay, entry.traceparent]


@dataclass(frozen=True, slots=True)
class Recut:
    """An entry that cannot travel as it is: the pieces that can, and the letters for what is invalid."""

    entry: Entry
    pieces: list[PutBack] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def events(self) -> int:
        """The events that there really are; what is not even JSON counts as one."""
        return sum(piece.members.count for piece in self.pieces) + len(self.letters)


def recut(keys: Keys, cut: Recut, *, again: bool = False) -> Step[Settled]:
    """Replace an entry by smaller ones, and bury its invalid events; `again` as of `settle`."""
    done = Settlement(cut.entry, cut.events, cut.letters, cut.pieces, cut.entry.attempts)
    return settle(keys, [done], {}, again=again)
