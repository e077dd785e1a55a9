"""Checks of the Redis server: can it keep what it is given, and has it room? Pure."""

import re
from collections.abc import Iterator
from typing import Final

from forwarder.doctor.facts import Facts
from forwarder.doctor.finding import Finding, fault, ok, warning
from forwarder.queue.server import ServerFacts

OLDEST: Final = (7, 0)
OLDEST_WAITAOF: Final = (7, 2)
TESTED: Final = ("redis", "valkey")
SKEW_WARNED_S: Final = 2.0
SKEW_MAX_S: Final = 30.0
SLOW_MS: Final = 50.0
"""A settle is one round trip; at this a drain waits longer for Redis than for most upstreams."""
EVENT_BYTES: Final = 180
"""What a queued event takes when none waits that could be measured: about 120 bytes of JSON, in arrays."""
NEAR: Final = 0.8
"""Of the part of maxmemory at which appends are refused."""


def reachable(facts: Facts) -> Iterator[Finding]:
    """Does it answer us?"""
    if facts.settings is None:
        return
    if facts.queue is None:
        yield fault("redis", facts.queue_error, "as it says; what is on Redis could not be looked at")
    elif facts.queue.servers is None:
        yield warning(
            "redis", f"the user {facts.queue.user} may not ask it for INFO", "run the doctor as `operator` too"
        )


def version(facts: Facts) -> Iterator[Finding]:
    """Is it new enough, and one that is tested?"""
    for one in _servers(facts):
        shown = f"{one.flavour} {one.version}"
        if _numbers(one.speaks) < OLDEST:
            yield fault(
                _named("redis version", one),
                f"it is {shown}",
                "Redis or Valkey 7.0 or newer is needed: upgrade the server",
            )
        elif one.flavour not in TESTED:
            yield warning(
                _named("redis version", one), f"it is {shown}, with which nothing is tested", "use Redis or Valkey"
            )
        else:
            yield ok(_named("redis version", one), f"{shown}")


def role(facts: Facts) -> Iterator[Finding]:
    """Does it take writes?"""
    for one in _servers(facts):
        if one.role == "slave":
            yield fault(
                _named("redis role", one),
                "it is a replica and takes no writes",
                "point FORWARDER_REDIS_URL at the primary",
            )


def eviction(facts: Facts) -> Iterator[Finding]:
    """Does it throw nothing away?"""
    for one in _servers(facts):
        if one.eviction != "noeviction":
            yield fault(
                _named("eviction", one),
                f"maxmemory-policy is {one.eviction}: a server short of memory deletes events that were accepted",
                "CONFIG SET maxmemory-policy noeviction, and the same in its redis.conf",
            )
        else:
            yield ok(_named("eviction", one), "noeviction")


def persistence(facts: Facts) -> Iterator[Finding]:
    """Does what was accepted survive a crash?"""
    for one in _servers(facts):
        if not one.aof:
            what = f"only by snapshots ({one.snapshots})" if one.snapshots else "nothing"
            yield fault(
                _named("persistence", one),
                f"it writes no append-only file: a crash of the server keeps {what}",
                "CONFIG SET appendonly yes, and the same in its redis.conf",
            )
        elif not one.aof_well:
            yield fault(
                _named("persistence", one),
                "its last write to the append-only file failed",
                "look at its log and its disk",
            )
        elif one.fsync == "no":
            yield warning(
                _named("persistence", one),
                "appendfsync is no: a power failure can cost what the system has not written, often 30 s of events",
                "CONFIG SET appendfsync everysec (or always), and the same in its redis.conf",
            )
        else:
            fsync = one.fsync or "not to be seen by this user"
            yield ok(_named("persistence", one), f"append-only file, appendfsync {fsync}")
        if not one.snapshot_well:
            yield warning(
                _named("persistence", one),
                "its last snapshot failed",
                "look at its log and its disk; it may refuse writes",
            )


def durability(facts: Facts) -> Iterator[Finding]:
    """Can it give what FORWARDER_DURABILITY promises?"""
    wanted = facts.settings.durability if facts.settings else "memory"
    for one in _servers(facts):
        if wanted == "replica" and not one.replicas:
            yield fault(
                _named("durability", one),
                "FORWARDER_DURABILITY is replica and no replica is connected: no event is acknowledged",
                "start a replica (replicaof in its redis.conf), or choose `memory` or `aof`",
            )
        elif wanted == "aof" and (one.flavour == "redis" and _numbers(one.speaks) < OLDEST_WAITAOF):
            yield fault(
                _named("durability", one),
                f"FORWARDER_DURABILITY is aof, and Redis {one.version} has no WAITAOF: no event is acknowledged",
                "Redis 7.2 or Valkey has it; or choose `memory` with appendfsync always",
            )
        elif wanted != "memory":
            yield ok(_named("durability", one), f"{wanted} is to be had")


def memory(facts: Facts) -> Iterator[Finding]:
    """Is there room for as many events as may wait?"""
    settings = facts.settings
    for one in _servers(facts):
        if settings is None:
            return
        limit = one.memory_max * settings.memory_max_percent // 100 or one.machine_memory
        each, share = _bytes_of_one(facts), len(list(_servers(facts)))
        events, most = -(-settings.backlog_max_events // share), limit // each * share
        if one.memory_max and one.memory_used >= limit:
            yield fault(
                _named("memory", one),
                f"{_mb(one.memory_used)} of maxmemory {_mb(one.memory_max)} are in use: appends are refused from "
                f"FORWARDER_MEMORY_MAX_PERCENT ({settings.memory_max_percent}) on",
                "let the backlog drain (`forwarder status`), purge dead letters, or raise maxmemory",
            )
        elif one.memory_max and one.memory_used >= NEAR * limit:
            yield warning(
                _named("memory", one),
                f"{_mb(one.memory_used)} of maxmemory {_mb(one.memory_max)} are in use, appends are refused from "
                f"{_mb(limit)} on",
                "raise maxmemory, add workers, or purge dead letters",
            )
        elif limit and events * each > limit:
            yield warning(
                _named("memory", one),
                f"a backlog of FORWARDER_BACKLOG_MAX_EVENTS ({settings.backlog_max_events:,}) takes about "
                f"{_mb(events * each)}{' of each primary' if share > 1 else ''} at {each} bytes an event, and there "
                f"are {_mb(limit)}: memory ends first, after some {most:,}",
                f"set FORWARDER_BACKLOG_MAX_EVENTS to {most:,} or less, or give Redis more memory",
            )
        else:
            yield ok(_named("memory", one), f"{_mb(one.memory_used)} in use, {_mb(limit)} may be")


def clock(facts: Facts) -> Iterator[Finding]:
    """Do its clock and ours agree?"""
    for one in _servers(facts):
        if one.ahead_s is None:
            continue
        ahead = f"the clock of Redis is {abs(one.ahead_s):,.1f} s {'ahead of' if one.ahead_s > 0 else 'behind'} ours"
        mend = "let NTP (chrony, systemd-timesyncd) set both machines' clocks"
        if abs(one.ahead_s) >= SKEW_MAX_S:
            yield fault(_named("clock", one), f"{ahead}: ages, pauses and Retry-After are wrong by as much", mend)
        elif abs(one.ahead_s) >= SKEW_WARNED_S:
            yield warning(_named("clock", one), ahead, mend)
        else:
            yield ok(_named("clock", one), "Redis and we agree on the time")


def latency(facts: Facts) -> Iterator[Finding]:
    """Does it answer soon?"""
    for one in _servers(facts):
        if one.latency_ms >= SLOW_MS:
            yield warning(
                _named("latency", one),
                f"a PING takes {one.latency_ms:,.0f} ms",
                "run workers and ingest near Redis; look at its SLOWLOG, its CPU and its disk",
            )
        else:
            yield ok(_named("latency", one), f"a PING takes {one.latency_ms:.1f} ms")


def _servers(facts: Facts) -> Iterator[ServerFacts]:
    yield from (facts.queue and facts.queue.servers) or ()


def _named(check: str, server: ServerFacts) -> str:
    return f"{check} of {server.at}" if server.at else check


def _bytes_of_one(facts: Facts) -> int:
    """What an event on the queue takes, by those that wait now if there are enough of them."""
    destinations = (facts.queue and facts.queue.destinations) or ()
    measured = [one for one in destinations if one.stream_bytes and one.books["pending"] >= 1_000]  # noqa: PLR2004 - enough to tell
    if not measured:
        return EVENT_BYTES
    largest = max(measured, key=lambda one: one.books["pending"])
    return max(1, largest.stream_bytes // largest.books["pending"])


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
