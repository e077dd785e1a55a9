"""A chunk: the events of one append, with all that repeating it takes, in memory and in a file (pure)."""

from dataclasses import dataclass, replace
from typing import Self

from forwarder.feedback import Members
from forwarder.queue.caps import Caps
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.stream import append, partition_of


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events that are appended together, as one entry.

    Attributes:
        destination: whom they are for.
        chunk_id: names the append; the same for each try, by whatever process.
        members: the events.
        source: the producing service; empty when it is not said.
        at_ms: when they were accepted (ms since 1970).
        doubtful_from_ms: 0 when it is certain that they are not stored. Else they may be, and up to this time (ms since
            1970) Redis would know: it keeps the trace of an append for FORWARDER_DEDUPE_TTL_S.
    """

    destination: str
    chunk_id: str
    members: Members
    source: str
    at_ms: int
    doubtful_from_ms: int = 0

    def doubted(self, sent_ms: int, caps: Caps) -> Self:
        """The chunk once an append of it may have been done; its first doubt stays.

        Args:
            sent_ms: from when on it may have been (ms since 1970).
            caps: how long Redis would know.
        """
        return self if self.doubtful_from_ms else replace(self, doubtful_from_ms=sent_ms + caps.dedupe_ttl_s * 1_000)

    def step(self, prefix: str, caps: Caps, now_ms: int) -> Step[str]:
        """The append; answers the entry's id. The step's answer raises as `stream.append`.

        An append that comes too late to be recognised is done, for losing it would be worse, and its events are counted
        as `ambiguous`.

        Args:
            prefix: of every Redis key.
            caps: what the append is bound by.
            now_ms: the time (ms since 1970).
        """
        return append(
            Keys(self.destination, partition_of(self.chunk_id), prefix),
            self.members,
            chunk_id=self.chunk_id,
            source=self.source,
            caps=caps,
            at_ms=self.at_ms,
            doubtful=0 < self.doubtful_from_ms <= now_ms,
        )
