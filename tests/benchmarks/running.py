"""What commands that run side by side use; `python -m tests.benchmarks.running COMMANDS` runs them and tells.

A process of its own, and a small one: on Linux the peak memory of a child begins with its parent's, and a sum over all
children that ever were is a sum, so that neither says anything of one case. The wait of each command tells what it and
the children for which it waited have used: of a worker, its horses too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

Command = list[str]


@dataclass(frozen=True, slots=True)
class Used:
    """What some work took: CPU of user and system, and the time on the clock (s); the largest process (MB)."""

    cpu_s: float
    wall_s: float
    rss_mb: float


def run(commands: Sequence[Command], variables: Mapping[str, str]) -> Used:
    """Run commands side by side, each to its end.

    Args:
        commands: programs by their paths, with arguments.
        variables: of their environment, beside ours.

    Raises:
        CalledProcessError: one of them failed.
    """
    launcher = [sys.executable, "-m", "tests.benchmarks.running", json.dumps(commands)]
    done = subprocess.run(launcher, cwd=ROOT, env=os.environ | variables, stdout=subprocess.PIPE, check=True)
    return Used(**json.loads(done.stdout))


def side_by_side(commands: Sequence[Command]) -> Used:
    """The same in this process; what they print goes to stderr."""
    to_stderr = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    began = time.monotonic()
    pids = [os.posix_spawn(one[0], one, os.environ, file_actions=to_stderr) for one in commands]
    ended = [os.wait4(pid, 0) for pid in pids]
    wall_s = time.monotonic() - began
    if failed := [os.waitstatus_to_exitcode(status) for _, status, _ in ended if status]:
        sys.exit(f"a command ended with {failed[0]}")
    usages = [usage for *_, usage in ended]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in usages)
    return Used(cpu_s, wall_s, max(one.ru_maxrss for one in usages) / 1024)


if __name__ == "__main__":
    json.dump(asdict(side_by_side(json.loads(sys.argv[1]))), sys.stdout)
