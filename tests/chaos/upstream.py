"""The sandbox of a run, and what it is told to do; told again after it was killed, for it forgets."""

from typing import Any

from tests.support.sandbox import Sandbox

KEY = "sandbox"
OTHER_KEY = "another"


class Upstream:
    """The faults in force, under the names of their kinds.

    Args:
        sandbox: the process.
        seed: of the sandbox's own choices.
    """

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self.sandbox = sandbox
        self._seed = seed % 2**31
        self._faults: dict[str, dict[str, Any]] = {}
        self._key = KEY
        self._alive = True

    def put(self, name: str, fault: dict[str, Any]) -> None:
        """Put a fault in force beside the others."""
        self._faults[name] = fault
        self._tell()

    def take(self, name: str) -> None:
        """End a fault."""
        self._faults.pop(name, None)
        self._tell()

    def accept(self, key: str) -> None:
        """Accept this API key only."""
        self._key = key
        self._tell()

    def kill(self) -> None:
        """Kill the process (SIGKILL)."""
        self._alive = False
        self.sandbox.kill()

    def restart(self) -> None:
        """Start it again on the same file and port."""
        self.sandbox.restart()
        self._alive = True
        self._tell()

    def _tell(self) -> None:
        if self._alive:
            self.sandbox.set_keys([self._key])
            self.sandbox.set_faults(*self._faults.values(), seed=self._seed)
