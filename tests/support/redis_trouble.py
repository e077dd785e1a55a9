"""What tells, while and after Redis is in trouble, that a worker lives through it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import rq

from tests.support.rig import Rig
from tests.support.waiting import eventually

LONG_S = "600"
"""A lease that nobody can wait for."""


def events(count: int, prefix: str = "t") -> list[dict[str, object]]:
    """So many, of some size each."""
    return [{"trace_id": f"{prefix}{number}", "value": 1, "text": "x" * 100} for number in range(count)]


def idle_worker(rig: Rig, *, stock: bool = False) -> subprocess.Popen[bytes]:
    """A worker that waits for work."""
    worker = rig.start_rq_worker() if stock else rig.start_worker()
    assert eventually(lambda: registered(rig) == ["idle"]), rig.log.read_text()
    return worker


def registered(rig: Rig) -> list[str]:
    """The states of the workers that RQ knows of."""
    with redis.Redis.from_url(rig.url) as client:
        try:
            return [worker.get_state() for worker in rq.Worker.all(connection=client)]
        except redis.RedisError:  # it is away, or loads its file
            return []


def all_is_well(rig: Rig, worker: subprocess.Popen[bytes]) -> None:
    """The worker is the same, RQ knows it, jobs flow by RQ, and no promise is left over."""
    assert eventually(lambda: rig.books().drains == 0), "the drain ends when the stream is idle"
    assert eventually(lambda: registered(rig) == ["idle"]), rig.log.read_text()[-4000:]
    before, without_rq = rig.books()["delivered"], rig.said("drain_without_rq")
    begun = rig.redis.zcard("rq:finished:feedback")
    rig.client().send_many(events(10, "well"))
    assert eventually(lambda: rig.books()["delivered"] == before + 10), rig.log.read_text()[-4000:]
    assert eventually(lambda: rig.redis.zcard("rq:finished:feedback") == begun + 1), "by an RQ job"
    assert rig.said("drain_without_rq") == without_rq
    assert worker.poll() is None
    rig.assert_books_close()


@contextmanager
def full(rig: Rig) -> Iterator[None]:
    """No memory is left, however much is deleted."""
    rig.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        rig.redis.config_set("maxmemory", 0)
