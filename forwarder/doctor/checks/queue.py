"""Checks of the queue: who works on it, what lies there, and whether we may do what we are for (pure)."""

from collections.abc import Iterator
from typing import Final

from forwarder.doctor.facts import DestinationFacts, Facts, PartitionFacts
from forwarder.doctor.finding import Finding, fault, ok, warning
from forwarder.queue.lease import PROMISED
from forwarder.queue.rights import ROLES, Right, Role
from forwarder.queue.rq_keys import SILENT_AFTER_S, Worker
from forwarder.times import shown_duration

SILENT_S: Final = 60.0
"""A drain asks for entries every second unless its destination is paused."""
PENDING_OLD_S: Final = 300.0
"""Longer than the longest backoff between two tries."""
MANY: Final = 3
"""So many names are listed."""


def workers(facts: Facts) -> Iterator[Finding]:
    """Does any live?"""
    if facts.queue is None:
        return
    if facts.queue.workers is None:
        yield warning(
            "workers", f"the user {facts.queue.user} may not read RQ's keys", "run the doctor as `operator` too"
        )
        return
    alive = _alive(facts)
    if not alive:
        yield fault(
            "workers", "no worker is alive: nothing is delivered", "start one: `forwarder worker` (or `forwarder up`)"
        )
    else:
        yield ok("workers", f"{len(alive)} alive: {_listed([one.name for one in alive])}")
    dead = [one for one in facts.queue.workers if one not in alive]
    if dead:
        yield warning(
            "workers",
            f"{len(dead)} registered and silent: {_listed([_told(one) for one in dead])}",
            "see whether their machines are well; RQ forgets a dead worker by itself after some minutes",
        )


def releases(facts: Facts) -> Iterator[Finding]:
    """Do all run our release?"""
    others = [one for one in _alive(facts) if one.version != facts.version]
    if others:
        told = [f"{one.name} ({one.version or 'older than 0.2'})" for one in others]
        yield warning(
            "releases",
            f"this is {facts.version}, and other releases work on the same queue: {_listed(told)}",
            "restart those workers with this release when an upgrade is not under way (SIGTERM loses nothing)",
        )
    elif _alive(facts):
        yield ok("releases", f"every worker runs {facts.version}")


def lost_jobs(facts: Facts) -> Iterator[Finding]:
    """Has RQ lost some?"""
    if facts.queue is None or facts.queue.workers is None:
        return
    lost = facts.queue.lost
    if lost:
        yield warning(
            "rq jobs",
            f"RQ has lost {len(lost)}: {_listed([f'{one.id} ({one.how})' for one in lost])}",
            "no event is lost, for events are on the stream: any living worker enqueues another drain within seconds, "
            "and what is left of these runs out; when they keep coming, look for workers that are killed (OOM?)",
        )
    else:
        yield ok("rq jobs", "none is lost")


def books(facts: Facts) -> Iterator[Finding]:
    """Do they close?"""
    if facts.queue is not None and facts.queue.destinations is None:
        yield warning("books", f"the user {facts.queue.user} may not read them", "run the doctor as `operator` too")
    for _, one in _partitions(facts):
        for line in one.books.lines:
            if not line.closes:
                mend = "see `forwarder audit --deep`; was a key of it changed by hand, or restored from a backup?"
                yield fault(f"books of {one.keys}", str(line), mend)


def backlog(facts: Facts) -> Iterator[Finding]:
    """Is it old, or at its cap?"""
    for one in _destinations(facts):
        oldest_s = 0.0 if one.books.oldest_ms is None else max(0.0, (facts.now_ms - one.books.oldest_ms) / 1000)
        pending, settings = one.books["pending"], facts.settings
        check = f"backlog of {one.name}"
        if settings and pending >= settings.backlog_max_events:
            mend = "add workers, or see why the upstream takes nothing; FORWARDER_BACKLOG_MAX_EVENTS is the cap"
            yield fault(check, f"{pending:,} events wait, and that is the cap: appends are refused", mend)
        elif settings and oldest_s > settings.notify_backlog_age_s:
            mend = "`forwarder status` says what it waits for: a pause, a slow upstream, or too few workers"
            yield warning(check, f"the oldest of {pending:,} events has waited {shown_duration(oldest_s)}", mend)
        else:
            yield ok(check, "one event waits" if pending == 1 else f"{pending:,} events wait")


def leases(facts: Facts) -> Iterator[Finding]:
    """Is each held by a drain that lives?"""
    for paused, one in _partitions(facts):
        for lease in one.holding.leases:
            check = f"lease {lease.slot} of {one.keys}"
            if lease.left_s is None:
                what = f"{lease.holder} holds it for ever, for it has no TTL: no other drain can take this slot"
                yield fault(check, what, f"DEL {one.keys.lease(lease.slot)} on Redis; who removed its TTL?")
            elif lease.holder == PROMISED or paused:
                continue
            elif lease.silent_s is not None and lease.silent_s > SILENT_S:
                what = f"its drain {lease.holder} has read nothing for {shown_duration(lease.silent_s)}"
                yield warning(check, what, "restart the worker that runs it: it is stuck, or its upstream hangs")


def pending(facts: Facts) -> Iterator[Finding]:
    """Is the oldest entry that was handed out in good hands?"""
    for paused, one in _partitions(facts):
        oldest = one.holding.pending
        if oldest is None:
            continue
        check, age = f"pending of {one.keys}", shown_duration(oldest.idle_s)
        if not oldest.held:
            what = (
                f"{oldest.count:,} entries were handed out and not settled; entry {oldest.entry} by a drain that ended"
            )
            if oldest.idle_s > SILENT_S and not paused:
                mend = "start a worker: the next drain takes them over at once"
                yield warning(check, f"{what}, {age} ago", mend)
            else:
                yield ok(check, f"{what}; the next takes over")
        elif oldest.idle_s > PENDING_OLD_S and not paused:
            what = f"entry {oldest.entry} was handed out {age} ago and is still tried"
            yield warning(check, what, "the upstream fails for it: see `retry` in the worker's log")


def pause(facts: Facts) -> Iterator[Finding]:
    """Is somebody to mend something?"""
    for one in _destinations(facts):
        if one.pause is not None:
            by_hand = one.pause.until_ms is None
            mend = f"`forwarder resume {one.name}`" if by_hand else "mend what it says; delivery resumes by itself"
            yield warning(f"pause of {one.name}", f"nothing is sent: {one.pause.reason}", mend)


def rights(facts: Facts, role: Role | None) -> Iterator[Finding]:
    """May this user do what it is for?

    Without a role, and without a name that tells it, each role that it cannot play is a warning.
    """
    if facts.queue is None:
        return
    named = next((one for one in ROLES if one == facts.queue.user), None)
    wanted = role or named
    for one in [wanted] if wanted else ROLES:
        lacking = facts.queue.rights[one]
        check = f"rights as {one}"
        if not lacking:
            yield ok(check, f"the user {facts.queue.user} has them all")
            continue
        what = f"the user {facts.queue.user} may not {_listed([right.shown for right in lacking])}: {lacking[0].why}"
        mend = f"give it what deploy/redis/users.acl gives `{one}`, or log in as that user in {_variable(lacking)}"
        yield (fault if wanted else warning)(check, what, mend)


def _variable(lacking: tuple[Right, ...]) -> str:
    return "FORWARDER_REDIS_URL" if any(one.on == "queue" for one in lacking) else "FORWARDER_CONTROL_URL"


def _alive(facts: Facts) -> list[Worker]:
    known = (facts.queue and facts.queue.workers) or ()
    return [one for one in known if one.silent_s is not None and one.silent_s < SILENT_AFTER_S]


def _told(worker: Worker) -> str:
    silent = "never heard" if worker.silent_s is None else f"for {shown_duration(worker.silent_s)}"
    return f"{worker.name} on {worker.host or '?'} ({silent})"


def _destinations(facts: Facts) -> tuple[DestinationFacts, ...]:
    return (facts.queue and facts.queue.destinations) or ()


def _partitions(facts: Facts) -> Iterator[tuple[bool, PartitionFacts]]:
    """All of all destinations, each with whether nobody sends to its destination now."""
    for one in _destinations(facts):
        for partition in one.partitions:
            yield one.pause is not None, partition


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more
