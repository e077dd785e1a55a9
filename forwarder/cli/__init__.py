"""The command line: `forwarder --help`.

The modules named after commands hold signatures and help only, and import what does the work when it is called for, so
that `--help` answers at once. `up`, `*_view` and the likes of `running`, `sending` and `replaying` do the work.
"""

import sys

from forwarder.errors import ForwarderError
from forwarder.extras import require


def main() -> None:
    """The console script; it is there in a producer's install too, which has no command line."""
    try:
        require("cli")
    except ForwarderError as error:
        sys.exit(f"error: {error}")
    from forwarder.cli.app import run  # noqa: PLC0415 - what it imports may not be installed

    run()
