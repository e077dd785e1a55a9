"""Faults of the server that holds the queue, or RQ where a cluster holds the queue; and of those who fill it."""

import random
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from forwarder.queue.connection import connect
from tests.chaos.faults.kind import Kind
from tests.chaos.processes import find
from tests.chaos.world import World
from tests.support.waiting import eventually

HELD = "valkey"
DIES_WITHIN_S = 30.0


@dataclass(frozen=True)
class Restarted:
    """The server ends by a signal and comes back on the same append-only file."""

    signum: Signals

    def begin(self, world: World) -> str | None:
        """Signal it, and see it gone."""
        pid = _signal_server(world, self.signum)
        assert eventually(lambda: world.rig.server.pid is None, DIES_WITHIN_S)
        return f"valkey {pid}"

    def end(self, world: World) -> None:
        """Start it."""
        world.rig.server.start()


class Frozen:
    """The server stands still: commands get no answer, and are carried out later."""

    def begin(self, world: World) -> str | None:
        """Stop it."""
        return f"valkey {_signal_server(world, SIGSTOP)}"

    def end(self, world: World) -> None:
        """Let it go on."""
        _signal_server(world, SIGCONT)


class Full:
    """The server has no memory left; nothing is evicted."""

    def begin(self, world: World) -> str | None:
        """Give it less than it uses."""
        _set_memory(world, "1mb")
        return "maxmemory 1 MB"

    def end(self, world: World) -> None:
        """Give it all it wants."""
        _set_memory(world, "0")


class ProducerKilled:
    """The producer is killed, perhaps in the middle of an append; the next one starts."""

    def begin(self, world: World) -> str | None:
        """Kill it."""
        return f"producer {world.producers.kill()}"

    def end(self, world: World) -> None:
        """Start the next."""
        world.producers.start()


def _set_memory(world: World, limit: str) -> None:
    with connect(world.rig.settings, world.rig.url) as client:
        client.config_set("maxmemory", limit)


def _signal_server(world: World, signum: Signals) -> int:
    pid = world.rig.server.pid
    server = find(pid) if pid else None
    assert server, "the queue's server ended by itself"
    server.send(signum)
    return server.pid


def _away(dice: random.Random) -> Restarted:
    return Restarted(dice.choice([SIGTERM, SIGKILL]))


KINDS = (
    Kind("valkey-kill", lambda _: Restarted(SIGKILL), holds=HELD),
    Kind("valkey-restart", lambda _: Restarted(SIGTERM), holds=HELD),
    Kind("valkey-away", _away, (2, 6), HELD),
    Kind("valkey-freeze", lambda _: Frozen(), (1, 4), HELD),  # Redis commands time out after 1 s
    Kind("valkey-full", lambda _: Full(), (2, 6), HELD),
    Kind("producer-kill", lambda _: ProducerKilled()),
)
