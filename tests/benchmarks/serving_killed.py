"""A case of `make behaviour`: kill -9 of what stands behind the HTTP ingest, while wrk and others call it."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.finding import Finding
from tests.support.callers import goes_on, load, taken
from tests.support.ingest import Ingest
from tests.support.rig import DurableRig
from tests.support.waiting import eventually

SECONDS = 20
SCRIPT = """
local number = 0
request = function()
  number = number + 1
  local body = '{"trace_id":"wrk-' .. number .. '","value":1}'
  return wrk.format("POST", nil, {["content-type"] = "application/json"}, body)
end
done = function(summary)
  io.write(string.format("FOUND %d %d\\n", summary.requests, summary.errors.status))
end
"""


def ingest() -> Iterator[Finding]:
    """Valkey, the worker and one of two serving processes are killed under load; every 202 arrives."""
    case = "kill -9 of Valkey, the worker and an ingest process under load from wrk"
    wanted = "every event answered 202 arrives"
    if not shutil.which("wrk"):
        yield Finding(case, wanted, "not measured: this machine has no wrk", good=False)
        return
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, DurableRig(Path(folder)) as system:
        worker = system.start_worker()
        with Ingest(system, "--workers", "2") as served:
            with _wrk(served.url, Path(folder)) as asking, load(served, callers=4) as callers:
                goes_on(callers)
                system.kill_server()
                system.server.start()
                goes_on(callers)
                system.kill(worker.pid)
                for horse in system.horses():
                    system.kill(horse)
                system.start_worker()
                goes_on(callers)
                os.kill(served.children()[0], signal.SIGKILL)
                goes_on(callers)
                said, _ = asking.communicate(timeout=SECONDS + 30)
            answered, refused = _found(said)
            books = system.settled(120)
            arrived = system.sandbox.times_arrived()
            missing = [one for caller in callers for one in caller.taken if one not in arrived]
            of_wrk = sum(name.startswith("wrk-") for name in arrived)
        yield Finding(
            case,
            wanted,
            f"wrk: {answered:,} answered 202, {refused:,} told to come again, {of_wrk:,} arrived; others: "
            f"{taken(callers):,} answered 202, {len(missing)} missing; {books.dead} dead letters",
            not missing and of_wrk >= answered and bool(eventually(lambda: not system.books()["pending"])),
        )


def _wrk(url: str, folder: Path) -> "subprocess.Popen[str]":
    script = folder / "wrk.lua"
    script.write_text(SCRIPT)
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}", "-s", str(script), f"{url}/feedback/"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _found(said: str) -> tuple[int, int]:
    found = re.search(r"FOUND (\d+) (\d+)", said)
    assert found, said
    requests, refused = map(int, found.groups())
    return requests - refused, refused
