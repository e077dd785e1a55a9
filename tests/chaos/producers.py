"""The producing side of a run: one producer at a time; after a kill the next one has the next number."""

import signal
import subprocess
import sys

from tests.support.rig import Rig

STOP_WITHIN_S = 20.0
"""An append that waits for a queue that is away gives up within this."""


class Producers:
    """Starts producers in the rig's folder, where their journals are.

    Args:
        rig: whose queue they fill.
        seed: of their choices.
        rate: events per second, at most.
    """

    def __init__(self, rig: Rig, seed: int, rate: float) -> None:
        self._rig = rig
        self._arguments = (str(seed), str(rate))
        self._number = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """The next producer; answers its number."""
        self._number += 1
        command = [sys.executable, "-m", "tests.chaos.producer", str(self._number), *self._arguments]
        with self._rig.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self._rig.environment,
                cwd=self._rig.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self._number

    def kill(self) -> int:
        """Kill it (SIGKILL); answers its number."""
        if self.process:
            self.process.kill()
            self.process.wait()
        return self._number

    def stop(self) -> bool:
        """Ask it to stop (SIGTERM), once its append has its answer; whether it did."""
        if not self.process:
            return True
        self.process.terminate()
        try:
            return self.process.wait(STOP_WITHIN_S) in (0, -signal.SIGTERM)  # it may not even have begun
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
