"""The command line: `forwarder --help`.

The modules named after commands hold signatures and help only, and import what does the work when it is called for, so
that `--help` answers at once. `*_view`, `sending`, `replaying` and `pausing` do the work.
"""

from forwarder.cli.app import app, main

__all__ = ["app", "main"]
