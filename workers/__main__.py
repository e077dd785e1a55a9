"""One worker process: `python -m workers [--burst]`. `forwarder worker` starts and watches as many as it is told."""

import argparse
import sys

from forwarder.errors import ForwarderError
from forwarder.orphan import stop_with_parent
from forwarder.queue.connection import queue_errors
from forwarder.settings import load_settings
from workers.worker import run_worker


def main() -> int:
    """Run a worker; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--burst", action="store_true", help="stop when nothing waits any more")
    arguments = parser.parse_args()
    stop_with_parent()
    try:
        settings = load_settings()
        with queue_errors(settings):
            run_worker(settings, burst=arguments.burst)
    except ForwarderError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
