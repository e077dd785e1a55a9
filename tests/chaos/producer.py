"""One producing service, as a process: `python -m tests.chaos.producer NUMBER SEED RATE`.

It appends events whose trace ids tell who made them (p3-1207), most by FeedbackClient and some by plain XADD, at a
bounded rate, and notes in its journal what Redis has acknowledged. It never repeats an append that failed: nobody would
know then how often the events are there.
"""

import json
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import RedisError

from forwarder import FeedbackClient
from forwarder.errors import ForwarderError
from forwarder.orphan import stop_with_parent
from forwarder.queue.connection import connect
from forwarder.queue.partitions import configured
from forwarder.settings import Settings, load_settings
from tests.chaos.journal import PLANTED_VALUE, Journal, is_planted, trace_id

CHUNK_MAX_EVENTS = 60
RAW_SHARE = 0.25
"""Of the appends, those by plain XADD."""
XADD_TIMEOUT_S = 1.0
COPY_WITHIN_MS = 1_000
PAUSE_AFTER_FAILURE_S = 0.2

Events = list[dict[str, Any]]


class Producer:
    """Appends until it is told to stop.

    Args:
        number: its own, the first part of each trace id.
        dice: chooses the size of each append and its way.
        rate: events per second, at most.
    """

    def __init__(self, number: int, dice: random.Random, rate: float) -> None:
        settings = load_settings()
        self._number = number
        self._dice = dice
        self._rate = rate
        self._next = 0
        self._journal = Journal(Path(), number)
        self._client = FeedbackClient(source=f"chaos-{number}", mode="direct", settings=settings)
        self._raw = _plain_client(settings)
        self._partitions = configured(settings, "default")
        self._copies = settings.durability == "replica"
        self.stop = threading.Event()

    def run(self) -> None:
        """One append after the other."""
        while not self.stop.is_set():
            count = self._dice.randint(1, CHUNK_MAX_EVENTS)
            raw = self._dice.random() < RAW_SHARE
            well = self._append(count, *(("xadd", self._xadd) if raw else ("chunk", self._client.send_many)))
            self.stop.wait(count / self._rate if well else PAUSE_AFTER_FAILURE_S)

    def _append(self, count: int, way: str, append: Callable[[Events], object]) -> bool:
        first, self._next = self._next, self._next + count
        events = [self._event(number) for number in range(first, self._next)]
        self._journal.note("sent", first, count, way)
        try:
            append(events)
        except (ForwarderError, RedisError) as error:
            self._journal.note("unknown", first, count, type(error).__name__)
            return False
        self._journal.note("stored", first, count, way)
        return True

    def _event(self, number: int) -> dict[str, Any]:
        trace = trace_id(self._number, number)
        value = PLANTED_VALUE if is_planted(trace) else number % 5
        return {"trace_id": trace, "value": value, "text": "what people write", "metadata": {"_user": f"u{number % 7}"}}

    def _xadd(self, events: Events) -> None:
        """As any other program does it; with WAIT, when an acknowledged event must be with a replica, too."""
        body = json.dumps(events[0] if len(events) == 1 else events)
        with self._raw.pipeline(transaction=False) as pipeline:
            pipeline.xadd(self._dice.choice(self._partitions).events, {"body": body})
            if self._copies:
                pipeline.wait(1, COPY_WITHIN_MS)
            if not all(pipeline.execute()):
                raise RedisError("no replica has it")


def _plain_client(settings: Settings) -> redis.Redis:
    """As any other program has one; without retries, which would add an entry twice after a lost reply."""
    return connect(settings.model_copy(update={"redis_timeout_s": XADD_TIMEOUT_S}), retries=0)


def main() -> None:
    """Produce until SIGTERM, or until the driver is gone."""
    stop_with_parent()
    number, seed, rate = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    producer = Producer(number, random.Random(f"{seed}/producer {number}"), rate)  # noqa: S311 - repeatable on purpose
    signal.signal(signal.SIGTERM, lambda *_: producer.stop.set())
    producer.run()


if __name__ == "__main__":
    main()
