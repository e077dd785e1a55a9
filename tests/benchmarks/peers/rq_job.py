"""One RQ job per event, as it is usually written: the job posts its event.

Stock workers of RQ run it, which fork for each job (`Worker`) or do not (`SimpleWorker`). As RQ's documentation advises
for speed, the worker has imported the job before; and the client is made once.

`python -m tests.benchmarks.peers.rq_job work CLASS` is a worker, `… queue EVENTS` queues events.
"""

import json
import os
import sys
from typing import Any, Final

import httpx
import rq
from redis import Redis

from tests.benchmarks.events import event_of

JOB: Final = "tests.benchmarks.peers.rq_job.post"
client = httpx.Client()


def post(event: dict[str, Any]) -> None:
    """The job."""
    client.post(os.environ["SINK_URL"], json=event).raise_for_status()


def work(worker_class: str, queue: rq.Queue) -> None:
    """Until told to end."""
    worker: rq.Worker = getattr(rq, worker_class)([queue])
    worker.work(logging_level="WARNING")


def fill(events: int, queue: rq.Queue) -> None:
    """As programs do it, one call each."""
    for number in range(events):
        queue.enqueue(JOB, json.loads(event_of(number, 120)))


def main(what: str, argument: str) -> None:
    """One or the other."""
    queue = rq.Queue("peers", connection=Redis(unix_socket_path=os.environ["QUEUE_SOCKET"]))
    if what == "work":
        work(argument, queue)
    else:
        fill(int(argument), queue)


if __name__ == "__main__":
    from tests.benchmarks.peers import rq_job  # noqa: F401 - under the name by which jobs know it, before the fork

    main(*sys.argv[1:])
