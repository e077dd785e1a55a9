"""Every Redis key: name, type, contents, who writes it (the wire contract, version 2).

| key | type | contents | written by |
|---|---|---|---|
| `feedback:{default.0}:events` | stream, group `forwarder` | the queue: `body`, and optionally `source`, `at`, `replays`, `events`, `traceparent`; `replay` (its id) when replayed, and `ats` (see `accepted`); `attempts` and `queued` when put back; `v` when not of version 1 | producers (XADD, append), replay, hand_over, settle (what it puts back); deleted by settle |
| `feedback:{default.0}:dead` | stream | dead letters, one event each, fields of `dead_letters.LETTER_FIELDS` | settle, import; deleted by replay, purge |
| `feedback:{default.0}:ledger` | hash | the counters of `ledger` | every script, in the step that it counts |
| `feedback:{default.0}:lease:N` | string with TTL | drain slot N is taken: the holder's token, which is also its consumer's name, or `promised` | wake, keep_lease; deleted by leave |
| `feedback:{default.0}:batches` | hash | per batch in flight, as `TOKEN/ID`: attempts, ambiguous events so far, events, ids of its entries; `TOKEN/` of a drain that ended in order and left entries pending | begin, claim, leave; deleted by settle, claim, leave |
| `feedback:{default.0}:chunk:ID` | string with TTL | that what is called ID was done, so that it is done once however often it is tried: the entry that an append became, a page that was handed over, a count | append, hand_over, tally |
| `feedback:{default.0}:memory` | string with TTL | percentage of maxmemory in use when an append looked last | append |
| `feedback:{default.0}:replay:ID` | hash with TTL | a replay: fields of `replays.Record`; where its events go to another destination, there too, with `delivered` and `died` alone | replay…; settle counts `delivered`, `died` |
| `feedback:{default.0}:replay:ID:trace-ids` | hash with TTL | trace ids by those that they replace | replay |
| `feedback:{default.0}:replays` | sorted set | ids of replays by the time they began (ms) | replay_begin |
| `feedback:{default.0}:replaying` | hash | by id of each replay that is not over: `DIGEST SINCE UNTIL` of its selection | replay_begin; deleted by replay_turn, replay_take |
| `feedback:{default.0}:imported` | hash with TTL | ids of letters by what identifies them in an export, so that an export is imported once | import |
| `feedback:{default.0}:trimming` | string with TTL | somebody trims the dead letters, or is about to | lock |
| `feedback:{default.0}:notices` | hash | what was last told of this destination, and when | notice |
| `feedback:{default.0}:outbox` | hash | notices that the webhook does not have yet, JSON by id | notice, and who posts them: puts off, deletes |
| `feedback:{default.0}:posting` | string with TTL | somebody posts the outbox, or is about to | lock |
| `feedback:{default.0}:history` | stream, bounded | the last hour: about every ten seconds `sample`, JSON: the ledger's sums and what waited (`history.Sample`) | sample |
| `feedback:{default}:pause` | hash, with TTL unless paused by hand without end | `reason`, `kind`, `since`, `until` (ms): nobody sends to this destination | pause, flow; deleted by resume |
| `feedback:{default}:flow` | string, JSON, with TTL | what the fleet has learned of the destination: breaker, concurrency limit, size that fits (`flow`) | flow |
| `feedback:{default}:rate` | hash with TTL | when the next request and the next event may be sent (µs) | rate |
| `feedback:{console}:trail` | stream, bounded | what operators did: fields of `trail.Deed`, and of its end `of` and `result` | console, API, command line |
| `feedback:{console}:session:ID` | hash with TTL | a login: `kind`, `name`, `proof` (of the hash that it was checked against), `csrf`; ID is the digest of what the cookie holds | console |
| `feedback:{console}:logins:ID` | string with TTL | logins that were tried, by the digest of a name or of a name and an address | console |

A destination has FORWARDER_PARTITIONS partitions, numbered from 0; producers choose one for each entry. The id of an
append ends with `.N` when it went into partition N of several. All keys of a partition share one hash tag, so that each
atomic step touches one cluster slot. The field `events` of an entry is its number of events, and says that the append
counted them as accepted; producers that use plain XADD leave it out, and their events are counted in the step that
settles them.

The field `v` is the version of the wire format that a reader must know; without it that is 1, which is all that plain
XADD needs. Version 2 knows bodies that stand in a form (`codec`). Who reads version N reads the older ones too, and
leaves an entry of a newer one on the queue for who can read it; so workers are upgraded before what is new is used.
"""  # noqa: E501 - a table

from dataclasses import dataclass
from typing import Final

GROUP: Final = "forwarder"
"""The consumer group of every events stream."""
SLOTS: Final = 64
"""Drain slots of a partition, the bound of FORWARDER_MAX_DRAINS."""
PARTITIONS: Final = 64
"""Partitions that a destination may have, the bound of FORWARDER_PARTITIONS."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one partition of a destination."""

    destination: str = "default"
    partition: int = 0
    prefix: str = "feedback:"

    def __str__(self) -> str:
        """For people."""
        return f"{self.destination}, partition {self.partition}" if self.partition else self.destination

    def _of_partition(self, name: str) -> str:
        return f"{self.prefix}{{{self.destination}.{self.partition}}}:{name}"

    @property
    def events(self) -> str:
        """The queue."""
        return self._of_partition("events")

    @property
    def dead(self) -> str:
        """The dead letters."""
        return self._of_partition("dead")

    @property
    def ledger(self) -> str:
        """The counters."""
        return self._of_partition("ledger")

    def lease(self, slot: int) -> str:
        """Drain slot `slot`."""
        return self._of_partition(f"lease:{slot}")

    @property
    def leases(self) -> list[str]:
        """All drain slots that any worker may use, whatever its own FORWARDER_MAX_DRAINS."""
        return [self.lease(slot) for slot in range(SLOTS)]

    @property
    def memory(self) -> str:
        """The server's memory in use, as of the last look."""
        return self._of_partition("memory")

    @property
    def batches(self) -> str:
        """The batches in flight."""
        return self._of_partition("batches")

    def chunk(self, chunk_id: str) -> str:
        """The trace of an append, or of another step that is done once."""
        return self._of_partition(f"chunk:{chunk_id}")

    def replay(self, replay_id: str) -> str:
        """A replay's state, and the outcomes of its events."""
        return self._of_partition(f"replay:{replay_id}")

    def trace_ids(self, replay_id: str) -> str:
        """The trace ids that a replay puts in the place of others."""
        return self._of_partition(f"replay:{replay_id}:trace-ids")

    @property
    def replays(self) -> str:
        """All replays of which something is known."""
        return self._of_partition("replays")

    @property
    def replaying(self) -> str:
        """The replays that are not over."""
        return self._of_partition("replaying")

    @property
    def imported(self) -> str:
        """What was imported."""
        return self._of_partition("imported")

    @property
    def trimming(self) -> str:
        """Who trims the dead letters."""
        return self._of_partition("trimming")

    @property
    def notices(self) -> str:
        """What was told."""
        return self._of_partition("notices")

    @property
    def outbox(self) -> str:
        """What is to be posted to the webhook."""
        return self._of_partition("outbox")

    @property
    def posting(self) -> str:
        """Who posts the outbox."""
        return self._of_partition("posting")

    @property
    def history(self) -> str:
        """The last hour."""
        return self._of_partition("history")

    @property
    def pause(self) -> str:
        """The pause of the destination, one for all its partitions."""
        return self._of_destination("pause")

    @property
    def flow(self) -> str:
        """What the fleet has learned of the destination."""
        return self._of_destination("flow")

    @property
    def rate(self) -> str:
        """The rate limit's clock."""
        return self._of_destination("rate")

    def _of_destination(self, name: str) -> str:
        return f"{self.prefix}{{{self.destination}}}:{name}"


@dataclass(frozen=True, slots=True)
class OperatorKeys:
    """The keys of those who operate it; of no destination."""

    prefix: str = "feedback:"

    @property
    def trail(self) -> str:
        """What operators did."""
        return self._named("trail")

    def session(self, digest: str) -> str:
        """A login."""
        return self._named(f"session:{digest}")

    def logins(self, digest: str) -> str:
        """How many logins were tried."""
        return self._named(f"logins:{digest}")

    def _named(self, name: str) -> str:
        return f"{self.prefix}{{console}}:{name}"
