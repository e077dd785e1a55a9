"""What each of our programs must be allowed to do on Redis, and whether the user of a connection may.

Redis checks a user's rights before it looks at what a command is to do. So each right is tried with a command that
cannot change anything: on keys that nobody uses, or with a value that Redis refuses after it has looked at the rights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from redis.exceptions import NoPermissionError

from forwarder.queue.connection import Client
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.rq_keys import LISTENING

Role = Literal["producer", "ingest", "worker", "operator", "console"]
ROLES: Final[tuple[Role, ...]] = ("producer", "ingest", "worker", "operator", "console")
NOBODYS: Final = "doctor!"
"""The destination whose keys are tried: no destination can be called so, and nobody uses its keys."""


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that must be allowed.

    Attributes:
        command: what tries it, in words as redis-py sends them.
        why: what does not work without it.
        on: the server where it is needed: of the queue, or of RQ.
    """

    command: tuple[str | int, ...]
    why: str
    on: Literal["queue", "rq"] = "queue"

    @property
    def shown(self) -> str:
        """The command's name and its key."""
        return f"{self.command[0]} {self.command[3] if self.command[0] == 'EVAL' else self.command[1]}"


def rights(role: Role, prefix: str) -> list[Right]:
    """All that a role needs.

    Args:
        role: which of our programs.
        prefix: FORWARDER_KEY_PREFIX.
    """
    keys = Keys(NOBODYS, prefix=prefix)
    produce, operate = _produce(keys), [*_look(keys), *_operate(keys)]
    return {
        "producer": produce,
        "ingest": [*produce, *_look(keys), *_measure(keys)],
        "worker": [*_drain(keys), *_rq()],
        "operator": operate,
        "console": operate,
    }[role]


def missing(client: Client, control: Client, role: Role, prefix: str) -> list[Right]:
    """The rights of a role that these connections do not have; raises what redis-py raises when Redis is away."""
    wanted = rights(role, prefix)
    on_queue, on_rq = ([one for one in wanted if one.on == where] for where in ("queue", "rq"))
    return [*_denied(client, on_queue), *_denied(control, on_rq)]


def _denied(client: Client, wanted: Sequence[Right]) -> list[Right]:
    """Those that are refused; asked for in one round trip."""
    with client.pipeline(transaction=False) as pipeline:
        for right in wanted:
            pipeline.execute_command(*right.command)
        answers = pipeline.execute(raise_on_error=False)
    return [right for right, answer in zip(wanted, answers, strict=True) if isinstance(answer, NoPermissionError)]


def _produce(keys: Keys) -> list[Right]:
    why = "an append is one script of these commands"
    chunk = keys.chunk("0")
    return [
        Right(("EVAL", "return 1", 4, keys.events, keys.ledger, chunk, keys.memory), why),
        Right(("XADD", keys.events, "NOMKSTREAM", "*", "body", "x"), why),
        Right(("HGET", keys.ledger, "pending"), why),
        Right(("HINCRBY", keys.ledger, "pending", "none"), why),
        Right(("GET", chunk), why),
        Right(("SET", chunk, "x", "EX", 0), why),
        Right(("SET", keys.memory, "x", "EX", 0), why),
    ]


def _look(keys: Keys) -> list[Right]:
    why = "the books are read by one script of these commands"
    return [
        Right(("EVAL", "return 1", 3, keys.events, keys.ledger, keys.dead), why),
        Right(("XLEN", keys.events), why),
        Right(("XRANGE", keys.events, "-", "+", "COUNT", 1), why),
        Right(("HGETALL", keys.ledger), why),
        Right(("XLEN", keys.dead), why),
        Right(("EXISTS", keys.lease(0)), why),
        Right(("HGETALL", keys.pause), "a pause is shown"),
    ]


def _measure(keys: Keys) -> list[Right]:
    why = "/metrics is read by one script of these commands"
    return [
        Right(("EVAL", "return 1", 2, keys.events, keys.batches), why),
        Right(("MEMORY", "USAGE", keys.events, "SAMPLES", 1), why),
        Right(("XPENDING", keys.events, GROUP), why),
        Right(("HKEYS", keys.batches), why),
        Right(("GET", keys.flow), "/metrics has the limit of requests at once"),
        Right(("SMEMBERS", LISTENING), "/metrics has the workers that live", "rq"),
    ]


def _drain(keys: Keys) -> list[Right]:
    read, settle = "a drain reads and claims entries", "a drain settles entries in one script of these commands"
    return [
        Right(("XREADGROUP", "GROUP", GROUP, "doctor", "COUNT", 1, "STREAMS", keys.events, ">"), read),
        Right(("XPENDING", keys.events, GROUP), read),
        Right(("XCLAIM", keys.events, GROUP, "doctor", 0, "0-1"), read),
        Right(("XGROUP", "DELCONSUMER", keys.events, GROUP, "doctor"), read),
        Right(("EVAL", "return 1", 4, keys.events, keys.ledger, keys.dead, keys.batches), settle),
        Right(("XACK", keys.events, GROUP, "0-1"), settle),
        Right(("XDEL", keys.events, "0-1"), settle),
        Right(("XADD", keys.dead, "NOMKSTREAM", "*", "body", "x"), settle),
        Right(("HINCRBY", keys.ledger, "delivered", "none"), settle),
        Right(("SET", keys.lease(0), "x", "PX", 0), "a drain holds a lease"),
        Right(("SET", keys.flow, "x", "PX", 0), "the fleet shares what it learns of a destination"),
    ]


def _operate(keys: Keys) -> list[Right]:
    move = "replay and purge move letters in one script of these commands"
    return [
        Right(("EVAL", "return 1", 3, keys.events, keys.ledger, keys.dead), move),
        Right(("XDEL", keys.dead, "0-1"), move),
        Right(("XADD", keys.events, "NOMKSTREAM", "*", "body", "x"), move),
        Right(("HINCRBY", keys.ledger, "replayed", "none"), move),
        Right(("HDEL", keys.replay("0"), "state"), move),
        Right(("DEL", keys.pause), "`forwarder pause` and `resume`"),
        Right(("SMEMBERS", "rq:workers"), "workers are shown", "rq"),
    ]


def _rq() -> list[Right]:
    why = "RQ runs the drains"
    name = f"rq:{NOBODYS}"
    return [
        Right(("LMOVE", name, name, "LEFT", "RIGHT"), why, "rq"),
        Right(("HINCRBY", f"{name}:hash", "x", "none"), why, "rq"),
        Right(("SREM", f"{name}:set", "x"), why, "rq"),
        Right(("ZREM", f"{name}:zset", "x"), why, "rq"),
        Right(("PUBLISH", f"rq:pubsub:{NOBODYS}", "{}"), why, "rq"),
    ]
