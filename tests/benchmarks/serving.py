"""What a request costs the HTTP ingest, beside a bare endpoint on the same server; wrk asks.

`python -m tests.benchmarks.serving ours|bare` is one serving process, by the FORWARDER_* variables.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from forwarder.ingest.serve import serve
from forwarder.listening import listen
from forwarder.settings import load_settings

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 4
CONNECTIONS: Final = 128
EVENT: Final = '{"trace_id":"trace-0000000001","value":5,"weight":0.5,"text":"a comment as people write them"}'
TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")

SCRIPT: Final = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = [==[BODY]==]
PACE
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("FOUND %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99), failed))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of wrk found.

    Attributes:
        per_s: requests per second.
        p99_ms: of their latency.
        failed: requests without a success.
        cpu_us: of the serving process, per request.
    """

    per_s: float
    p99_ms: float
    failed: int
    cpu_us: float


async def bare(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Read the body and answer 202, nothing else."""
    if scope["type"] == "lifespan":
        for state in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{state}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    answer = b'{"status":"success"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextlib.contextmanager
def serving(what: str, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """A serving process; yields its pid and port."""
    command = [sys.executable, "-m", "tests.benchmarks.serving", what]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


def wrk(pid: int, port: int, body: str, *, per_s: float | None = None) -> Load:
    """Ask for a few seconds; at a rate, or as fast as it is answered."""
    pace = f"delay = function() return {CONNECTIONS * 1000 / per_s:.0f} end" if per_s else ""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.replace("BODY", body).replace("PACE", pace))
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", script.name]
        before = _cpu_s(pid)
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/v1/feedback/"], capture_output=True, text=True, check=True
        )
    found = re.search(r"FOUND (\d+) (\d+) (\d+) (\d+)", done.stdout)
    assert found, done.stdout
    requests, took_us, p99_us, failed = map(int, found.groups())
    cpu_us = (_cpu_s(pid) - before) / requests * 1e6
    return Load(requests / took_us * 1e6, p99_us / 1e3, failed, cpu_us)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def serving_table(environment: dict[str, str]) -> Table:
    """Single events and arrays of 100, ours and bare, alternating.

    Args:
        environment: with the FORWARDER_* variables of a running queue.
    """
    table = Table("HTTP ingest, one process", "requests/s", "CPU µs per request", "p99, ms", "not taken", title="")
    if not shutil.which("wrk"):
        table.add_row("not measured: this machine has no wrk", "", "", "", "")
        return table
    array = "[" + ",".join([EVENT] * 100) + "]"
    for case, body in (("one event", EVENT), ("an array of 100", array)):
        loads = {}
        for what in ("bare", "ours"):
            with serving(what, environment) as (pid, port):
                wrk(pid, port, body)  # warm
                loads[what] = wrk(pid, port, body)
                if what == "ours":
                    loads["half"] = wrk(pid, port, body, per_s=loads[what].per_s / 2)
        ratio = f" ({loads['ours'].cpu_us / loads['bare'].cpu_us:.2f} x bare)"
        _row(table, f"{case}: ours", loads["ours"], ratio)
        _row(table, f"{case}: ours, at half that rate", loads["half"], "")
        _row(table, f"{case}: bare endpoint", loads["bare"], "")
    return table


def _row(table: Table, case: str, load: Load, ratio: str) -> None:
    table.add_row(case, f"{load.per_s:,.0f}", f"{load.cpu_us:.1f}{ratio}", f"{load.p99_ms:.1f}", f"{load.failed}")


if __name__ == "__main__":
    with listen("127.0.0.1", 0, who="the benchmark", variables="FORWARDER_INGEST") as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serve(load_settings(), listener, bare if sys.argv[1] == "bare" else None)
