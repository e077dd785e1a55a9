"""celery-batches: a Celery task that is given up to 500 messages at once, and posts them as one array.

As its documentation shows it: `flush_every`, a prefetch of more than that, no result backend. To its advantage: one
connection that is kept, no gossip, mingle or heartbeat, and the pool `solo`, here the cheapest of the three that it
runs with (prefork, threads, solo), as long as the upstream is quick. The broker is the same Valkey, whose append-only
file is on. Messages are acknowledged early, Celery's default: those that a killed worker holds are lost.

`python -m tests.benchmarks.peers.celery_app EVENTS` queues events.
"""

import json
import os
import sys
from typing import Any, Final

import httpx
from celery import Celery
from celery_batches import Batches, SimpleRequest

from tests.benchmarks.events import event_of

EVERY: Final = 500

app = Celery("tests.benchmarks.peers.celery_app", broker=f"redis+socket://{os.environ['QUEUE_SOCKET']}")
app.conf.update(
    worker_prefetch_multiplier=4 * EVERY,
    task_ignore_result=True,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
client = httpx.Client()


@app.task(base=Batches, flush_every=EVERY, flush_interval=1, name="forward")  # type: ignore[untyped-decorator]
def forward(requests: list[SimpleRequest]) -> None:
    """Post what has come together."""
    client.post(os.environ["SINK_URL"], json=[request.args[0] for request in requests]).raise_for_status()


def queue_events(count: int) -> None:
    """As programs do it, one call each."""
    task: Any = forward
    for number in range(count):
        task.delay(json.loads(event_of(number, 120)))


if __name__ == "__main__":
    queue_events(int(sys.argv[1]))
