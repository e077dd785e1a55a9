"""One worker process: `python -m workers [--burst]`. `forwarder worker` starts and watches as many as it is told."""

import argparse
import os
import signal
import sys
from types import FrameType

from forwarder.errors import ForwarderError
from forwarder.orphan import stop_with_parent
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import load_settings


def main() -> int:
    """Run a worker; answers the exit code."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)  # until the worker has its own
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--burst", action="store_true", help="stop when nothing waits any more")
    parser.add_argument("--parent", type=int, help="the process whose death ends this one (the one that started it)")
    arguments = parser.parse_args()
    parent = arguments.parent or os.getppid()
    stop_with_parent(parent)
    from workers.worker import run_worker  # noqa: PLC0415 - it takes long enough for a signal to come meanwhile

    try:
        settings = load_settings()
        with queue_errors(settings):
            run_worker(settings, parent, burst=arguments.burst)
    except ForwarderError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _stop(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
