"""`python -m forwarder.sandbox`: the sandbox alone, with its settings from the environment."""

import argparse
import os
import sys

from forwarder.errors import ForwarderError
from forwarder.log import configure_logging
from forwarder.sandbox.reached import DEFAULT_KEY
from forwarder.sandbox.server import serve
from forwarder.sandbox.state import DEFAULT_MAX_BODY_BYTES, Options
from forwarder.settings import load_settings


def main() -> int:
    """Run it; 1 when it cannot."""
    given = _parser().parse_args()
    try:
        settings = load_settings()
        configure_logging(settings, part="sandbox")
        options = Options(
            keys=frozenset(given.key or [DEFAULT_KEY]),
            max_body_bytes=given.max_body_bytes,
            max_events=given.max_events,
            trace_id_max_length=settings.trace_id_max_length,
            seed=given.seed,
        )
        serve(settings, options, announce=given.announce, parent=given.stop_with_parent)
    except ForwarderError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m forwarder.sandbox",
        description="Run the sandbox on FORWARDER_SANDBOX_HOST and FORWARDER_SANDBOX_PORT.",
        epilog="example: FORWARDER_SANDBOX_PORT=0 python -m forwarder.sandbox --announce",
    )
    parser.add_argument("--announce", action="store_true", help="write the base URL to standard output, as JSON")
    parser.add_argument(
        "--stop-with-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="stop when this process has died; without a number, the one that started it",
    )
    parser.add_argument("--key", action="append", help=f"an API key to accept, may be repeated ({DEFAULT_KEY})")
    parser.add_argument("--max-body-bytes", type=_positive, default=DEFAULT_MAX_BODY_BYTES, help="of a request")
    parser.add_argument("--max-events", type=_positive, help="of an array (no limit)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults' random numbers")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
