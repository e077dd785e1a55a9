"""What a Redis server says of itself: what it is, how it keeps what it was given, and how far its clock is away."""

import statistics
import time
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from forwarder.queue.clients import servers_of
from forwarder.queue.connection import Client

PINGS: Final = 5
_OTHERS: Final = ("dragonfly_version", "keydb_version", "garnet_version")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server at one moment.

    Attributes:
        flavour: redis, valkey, or the name of something else that speaks their protocol.
        version: of the flavour.
        speaks: the version of Redis that it says to be like; what it can do follows from this.
        role: master or slave.
        aof: whether it writes an append-only file.
        aof_well: whether its last write there succeeded.
        fsync: always, everysec or no; None when we may not ask.
        snapshots: when it writes snapshots, as `save` has it; None when we may not ask.
        snapshot_well: whether its last snapshot succeeded.
        eviction: its maxmemory-policy.
        memory_max: its maxmemory (bytes); 0 for none.
        memory_used: in use (bytes).
        machine_memory: of its machine (bytes); 0 when it does not say.
        ahead_s: how far its clock is ahead of ours; None when we may not ask.
        latency_ms: median round trip of a PING.
        replicas: that are connected.
        at: its `host:port`, when it is one of several; else empty.
    """

    flavour: str
    version: str
    speaks: str
    role: str
    aof: bool
    aof_well: bool
    fsync: str | None
    snapshots: str | None
    snapshot_well: bool
    eviction: str
    memory_max: int
    memory_used: int
    machine_memory: int
    ahead_s: float | None
    latency_ms: float
    replicas: int = 0
    at: str = ""


def read_servers(client: Client) -> list[ServerFacts]:
    """Ask every server that takes writes: one, or the primaries of a cluster; raises as `read_server`."""
    return [read_server(one, at) for at, one in servers_of(client).items()]


def read_server(client: Client, at: str = "") -> ServerFacts:
    """Ask the server; raises what redis-py raises when it is away or refuses INFO."""
    info: dict[str, Any] = client.info()
    flavour, version = _flavour(info)
    latency_ms = _latency_ms(client)
    return ServerFacts(
        flavour=flavour,
        version=version,
        speaks=str(info.get("redis_version", "0")),
        role=str(info.get("role", "master")),
        aof=info.get("aof_enabled") == 1,
        aof_well=info.get("aof_last_write_status", "ok") == "ok",
        fsync=_config(client, "appendfsync"),
        snapshots=_config(client, "save"),
        snapshot_well=info.get("rdb_last_bgsave_status", "ok") == "ok",
        eviction=str(info.get("maxmemory_policy", "noeviction")),
        memory_max=int(info.get("maxmemory", 0)),
        memory_used=int(info.get("used_memory", 0)),
        machine_memory=int(info.get("total_system_memory", 0)),
        ahead_s=_ahead_s(client),
        latency_ms=latency_ms,
        replicas=int(info.get("connected_slaves", 0)),
        at=at,
    )


def _flavour(info: dict[str, Any]) -> tuple[str, str]:
    for field in _OTHERS:
        if field in info:
            return field.removesuffix("_version"), str(info[field])
    if "valkey_version" in info:
        return "valkey", str(info["valkey_version"])
    return "redis", str(info.get("redis_version", "0"))


def _config(client: Client, name: str) -> str | None:
    """A setting of the server; None when we may not ask, as the shipped users may not."""
    try:
        answer: Any = client.config_get(name)
    except ResponseError:
        return None
    value = answer.get(name)
    return value.decode() if isinstance(value, bytes) else value


def _latency_ms(client: Client) -> float:
    client.ping()  # connects, and is not counted
    taken = []
    for _ in range(PINGS):
        began = time.perf_counter()
        client.ping()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _ahead_s(client: Client) -> float | None:
    """Its time less ours in the middle of the question."""
    began = time.time()
    try:
        seconds, microseconds = client.time()
    except ResponseError:
        return None
    middle = (began + time.time()) / 2
    return float(seconds) + float(microseconds) / 1e6 - middle
