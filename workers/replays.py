"""A replay in the background: sessions of one job each, which give way to drains, so that one worker can do both."""

import os
import time
from typing import Final

from redis.exceptions import RedisError

from forwarder.errors import ForwarderError
from forwarder.log import get_logger
from forwarder.queue import replays
from forwarder.queue.lease import new_token
from forwarder.queue.scripts import run
from forwarder.replaying.desk import Desk
from forwarder.replaying.run import Run
from workers.stop import STOP, worker_pid
from workers.sweep import Sweep

PATIENCE_S: Final = 2.0
"""A longer wait is not sat out: the worker has other things to do."""
LEAST_S: Final = 1.0
"""A session gives way to jobs that wait, but not before it has run so long."""
SLICE_S: Final = 0.1
LOOK_S: Final = 1.0


def replay_session(desk: Desk, replay_id: str, sweep: Sweep, longest_s: float) -> str:
    """Go on with a replay for a while.

    Args:
        desk: of the destination whose letters return.
        replay_id: which.
        sweep: wakes drains for what was moved.
        longest_s: after which another session goes on.

    Returns:
        Why it ended.
    """
    log, token = get_logger(replay=replay_id), new_token()
    ttl_ms = round(desk.settings.lease_ttl_s * 1000)
    taken = run(desk.client, replays.take(desk.keys, replay_id, token, ttl_ms))
    if taken != "taken":
        return f"not taken: {taken}"
    try:
        reason = ReplaySession(desk.run(desk.get(replay_id, holder=token)), sweep, longest_s).go()
    except (RedisError, ForwarderError) as error:  # its lease runs out, and the next session goes on
        log.warning("replay_broken_off", error=str(error), next="another session goes on")
        return "broken off"
    record = desk.get(replay_id)
    log.info("replay_session_ended", reason=reason, moved=record.moved, delivered=record.delivered, died=record.died)
    return reason


class ReplaySession:
    """One session of a replay whose lease is ours.

    Args:
        ours: the replay.
        sweep: as above.
        longest_s: as above.
    """

    def __init__(self, ours: Run, sweep: Sweep, longest_s: float) -> None:
        self._run = ours
        self._sweep = sweep
        self._longest_s = longest_s
        self._worker_pid = worker_pid()
        self._began = time.monotonic()
        self._looked = self._began
        self._others_wait = False

    def go(self) -> str:
        """Turn after turn, until it is over or somebody else's turn."""
        while self._run.record.active:
            wait_s = self._run.turn()
            if reason := self._reason_to_end(wait_s):
                if self._run.record.active:
                    self._run.give_back(wait_s if wait_s > PATIENCE_S else 0.0)
                return reason
            self._rest(wait_s)
        return self._run.record.state

    def _reason_to_end(self, wait_s: float) -> str:
        self._look()
        if not self._run.record.active:
            return self._run.record.state
        if STOP.is_set() or os.getppid() != self._worker_pid:
            return "asked to stop"
        if wait_s > PATIENCE_S:
            return f"nothing to do for {wait_s:.0f} s"
        age_s = time.monotonic() - self._began
        if age_s > self._longest_s:
            return "it has run its time"
        return "a job waits for a worker" if self._others_wait and age_s > LEAST_S else ""

    def _look(self) -> None:
        """About once a second: wake drains, and see whether they find a worker."""
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            self._sweep.run()
            self._others_wait = self._sweep.jobs_wait()

    def _rest(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not STOP.is_set() and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(SLICE_S, left_s))
            self._run.keep()
