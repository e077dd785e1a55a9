"""Workers that are about to be stopped, and what may not be left of them."""

import subprocess

from tests.support.rig import Rig
from tests.support.waiting import eventually

LONG = {"FORWARDER_SHUTDOWN_GRACE_S": "60", "FORWARDER_LEASE_TTL_S": "600", "FORWARDER_REQUEST_TIMEOUT_S": "120"}
"""Settings under which a test would time out that waits for any of them."""
SOON_S = 10
"""The bound of a wait for something that takes a second or two."""


def nothing_is_left(rig: Rig) -> None:
    """No lease, no failed job, no worker that RQ still counts.

    What was left may have been promised to another worker in the last moment; such a promise lives for five seconds.
    """
    assert eventually(lambda: rig.books().drains == 0, SOON_S), rig.log.read_text()[-4000:]
    assert rig.redis.zcard("rq:failed:feedback") == 0
    assert rig.redis.zcard("rq:wip:feedback") == 0
    assert rig.redis.scard("rq:workers") == 0


def started(rig: Rig, *, stock: bool = False) -> subprocess.Popen[bytes]:
    """A worker that has said that it has begun; `stock` by RQ's own command."""
    worker = rig.start_rq_worker() if stock else rig.start_worker()
    assert eventually(lambda: rig.said("worker_started")), rig.log.read_text()
    return worker
