"""Child processes that end with their parent, also when it is killed with -9."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


def stop_with_parent(parent: int | None = None) -> None:
    """Ask the kernel for a SIGTERM to this process when its parent dies.

    Only Linux can do that; elsewhere it does nothing, and who needs to know looks at os.getppid() now and then.

    Args:
        parent: its pid, from whoever started this process: by now it may have died, and getppid would name its heir.
    """
    if sys.platform != "linux":
        return
    parent = parent or os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), signal.SIGTERM)
