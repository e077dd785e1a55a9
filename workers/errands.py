"""What a sweep sees to besides drains: replays in the background, retention, what operators are told, the history."""

import time
from collections.abc import Callable
from typing import Any, Final

from forwarder import clock
from forwarder.dead.retention import is_due, retention
from forwarder.log import get_logger
from forwarder.queue import lock, notices, replays
from forwarder.queue.connection import Client
from forwarder.queue.flow import read_flow
from forwarder.queue.history import sample
from forwarder.queue.keys import Keys
from forwarder.queue.lease import PROMISE_TTL_S
from forwarder.queue.notices import Notice
from forwarder.queue.partitions import Partitions
from forwarder.queue.pause import get_pause
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from workers.enqueue import enqueue
from workers.rq_classes import FeedbackQueue

EVERY_S: Final = 1.0
JOB_S: Final = 120.0
"""What a trim or a post never takes; they end by themselves before."""
PROMISE_MS: Final = round(PROMISE_TTL_S * 1000)


class Errands:
    """Looks about once a second, however often it is asked.

    Args:
        settings: destinations, retention, webhook.
        client: of the queue.
        jobs: the RQ queue.
        partitions: of the destinations.
    """

    def __init__(self, settings: Settings, client: Client, jobs: FeedbackQueue, partitions: Partitions) -> None:
        self._settings = settings
        self._client = client
        self._jobs = jobs
        self._partitions = partitions
        self._looked: dict[str, float] = {}
        self._log = get_logger()

    def tell(self) -> None:
        """Log what there is to tell, put it into the outbox when there is a webhook, and write the history."""
        if not self._is_time("tell"):
            return
        settings = self._settings
        for destination in settings.destination_names:
            for keys in self._partitions.of(destination):
                pause = None if keys.partition else get_pause(self._client, keys)  # told once
                opened = not keys.partition and read_flow(self._client, keys).breaker.open
                step = notices.notice(
                    keys,
                    paused=pause is not None or opened,
                    reason=pause.reason if pause else "",
                    quiet_ms=round(settings.notify_quiet_s * 1000),
                    backlog_age_ms=round(settings.notify_backlog_age_s * 1000),
                    posted=settings.webhook_url is not None,
                )
                for notice in run(self._client, step):
                    self._say(notice)
                run(self._client, sample(keys))

    def run(self) -> None:
        """Enqueue the jobs that are due."""
        if not self._is_time("run"):
            return
        for destination in self._settings.destination_names:
            for keys in self._partitions.of(destination):
                self._see_to(keys)

    def _see_to(self, keys: Keys) -> None:
        for replay_id in replays.running(self._client, keys):
            if run(self._client, replays.take(keys, replay_id, replays.PROMISED, PROMISE_MS)) == "taken":
                longest_s = self._settings.drain_session_s + JOB_S
                enqueue(self._jobs, "replay", longest_s, keys, replay_id=replay_id)
        policy = retention(self._settings, keys.destination)
        self._promise(keys, "trim", keys.trimming, lambda: is_due(self._client, keys, policy))
        if self._settings.webhook_url:
            self._promise(keys, "notify", keys.posting, lambda: self._has_post(keys))

    def _promise(self, keys: Keys, function: str, name: str, due: Callable[[], bool]) -> None:
        """One job at a time: the lock is acquired for it, and runs out when none comes."""
        if due() and lock.acquire(self._client, name, PROMISE_MS):
            enqueue(self._jobs, function, JOB_S, keys)

    def _has_post(self, keys: Keys) -> bool:
        now_ms = clock.now_ms()
        return any(notice.due <= now_ms for notice in notices.outbox(self._client, keys))

    def _is_time(self, what: str) -> bool:
        now = time.monotonic()
        if now - self._looked.get(what, -EVERY_S) < EVERY_S:
            return False
        self._looked[what] = now
        return True

    def _say(self, notice: Notice) -> None:
        facts: dict[str, Any] = {name: value for name, value in notice.facts.items() if value != ""}
        level = self._log.info if notice.kind == "resumed" else self._log.warning
        level(f"notice_{notice.kind}", destination=notice.destination, **facts)
