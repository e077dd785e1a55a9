"""`python -m forwarder.ingest`: one process of the ingest, on a listening socket that its parent hands over."""

import argparse
import socket
import sys

from forwarder.errors import ForwarderError
from forwarder.ingest.serve import serve
from forwarder.log import configure_logging
from forwarder.orphan import stop_with_parent
from forwarder.settings import load_settings


def main() -> int:
    """Run it; 1 when it cannot."""
    parser = argparse.ArgumentParser(prog="python -m forwarder.ingest", description="Started by `forwarder serve`.")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--parent", type=int, required=True, help="stop when this process has died")
    given = parser.parse_args()
    stop_with_parent(given.parent)
    try:
        settings = load_settings()
        configure_logging(settings, part="ingest")
        with socket.socket(fileno=given.fd) as listener:
            serve(settings, listener)
    except ForwarderError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
