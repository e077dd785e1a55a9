"""Ask RQ for a job of ours; what RQ keeps of it, and for how long."""

from typing import Final

from forwarder.queue.keys import Keys
from forwarder.queue.lease import new_token
from workers.rq_classes import FeedbackQueue

JOB_TTL_S: Final = 300
"""Life of a job's hash, before a worker begins it and after it ended: what RQ loses is not kept for ever."""
FAILURE_TTL_S: Final = 86_400


def enqueue(jobs: FeedbackQueue, function: str, timeout_s: float, keys: Keys, **more: str | int) -> None:
    """Enqueue a job.

    Args:
        jobs: the RQ queue.
        function: its name in `workers.jobs`.
        timeout_s: what it never takes: who does is stuck.
        keys: of the partition.
        more: arguments of the function, in the order in which they are shown.
    """
    arguments: dict[str, str | int] = {"destination": keys.destination, **more}
    if keys.partition:
        arguments["partition"] = keys.partition
    values = [str(value) for value in arguments.values()]
    first, *others = arguments.items()
    jobs.enqueue_call(
        f"workers.jobs.{function}",
        kwargs=arguments,
        timeout=round(timeout_s),
        ttl=JOB_TTL_S,
        result_ttl=JOB_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        job_id="-".join([function, *values, new_token()]),
        description=", ".join([f"{function} {first[1]}", *(f"{name} {value}" for name, value in others)]),
    )
