"""Where a replay works."""

from dataclasses import dataclass

from forwarder.feedback import Codec
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.redis_settings import Durability


@dataclass(frozen=True, slots=True)
class Site:
    """Where a replay works.

    Attributes:
        client: of the queue.
        keys: of the partition whose letters return.
        target: of the one that they return to.
        codec: says what a valid event is.
        lease_ms: life of a lease that is not kept.
        backlog_max: waiting events of the target at which nothing moves.
        durability: what a letter has reached elsewhere before it leaves here.
        wait_s: for that.
    """

    client: Client
    keys: Keys
    target: Keys
    codec: Codec
    lease_ms: int
    backlog_max: int
    durability: Durability
    wait_s: float

    @property
    def elsewhere(self) -> bool:
        """Whether the letters go to another destination, which no one step can do."""
        return self.keys != self.target
