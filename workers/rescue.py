"""A drain without RQ: for a Redis that is full, where RQ can take no job, and so none that would free memory.

What a drain itself does works there: its scripts are flagged `allow-oom`. So the worker promises itself a slot and
forks a horse that runs the job's function, no more.
"""

import os
import random

from forwarder.log import get_logger
from workers import jobs
from workers.stop import signals_held, stop_on_signals


def fork_drain(destination: str, slot: int, partition: int) -> int:
    """Begin a drain in a child process; answers its pid. The child never returns.

    Args:
        destination: whose stream is drained.
        slot: the lease that was promised.
        partition: of the destination.
    """
    with signals_held():
        pid = os.fork()
        if pid == 0:
            _horse(destination, slot, partition)
    return pid


def _horse(destination: str, slot: int, partition: int) -> None:
    """The child: as RQ's horse, in a process group of its own, and without the interpreter's farewell."""
    code = 1
    try:
        os.setpgrp()
        stop_on_signals()
        random.seed()
        jobs.drain(destination, slot, partition)
        code = 0
    except BaseException:
        get_logger(destination=destination).exception("drain_failed", next="the next drain takes over")
    finally:
        os._exit(code)
