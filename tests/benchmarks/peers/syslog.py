"""syslog-ng (in C): a file of JSON lines, sent as arrays of up to 500 by its `http()` destination.

Lines are neither parsed nor checked (`no-parse`, `$MSG`). To its advantage: a large window, two HTTP workers, no disk
buffer: what it has read and not sent is in its memory. Debian: syslog-ng-core and syslog-ng-mod-http.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from typing_extensions import override

from tests.benchmarks.events import event_of
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.running import Command
from tests.benchmarks.scene import Scene

CONFIGURATION: Final = """@version: {version}
options {{ stats-freq(0); }};
source events {{
  file("{lines}" flags(no-parse) follow-freq(0.1) log-fetch-limit(1000) log-iw-size(50000));
}};
destination sink {{
  http(
    url("{url}") method("POST") headers("content-type: application/json", "x-portkey-api-key: bench")
    body-prefix("[") body("$MSG") delimiter(",") body-suffix("]")
    batch-lines(500) batch-timeout(100) workers(2) log-fifo-size(100000)
  );
}};
log {{ source(events); destination(sink); flags(flow-control); }};
"""


class SyslogNg(Peer):
    """See above."""

    name = "syslog-ng, file() to http(), batch-lines(500)"
    few = 500
    many = 500_000

    @property
    @override
    def missing(self) -> str:
        if not _program():
            return "apt install syslog-ng-core syslog-ng-mod-http"
        return "" if "http" in _told("Available-Modules").split(",") else "apt install syslog-ng-mod-http"

    @override
    def prepare(self, place: Scene, events: int) -> None:
        lines = place.folder / "events.jsonl"
        lines.write_bytes(b"".join(event_of(number, 120) + b"\n" for number in range(events)))
        configured = CONFIGURATION.format(version=_told("Config version"), lines=lines, url=place.upstream.url)
        (place.folder / "syslog-ng.conf").write_text(configured)

    @override
    def delivers(self, place: Scene) -> Sequence[Command]:
        files = {"-f": "syslog-ng.conf", "-R": "persist", "-c": "control", "-p": "pid"}
        options = [word for option, name in files.items() for word in (option, str(place.folder / name))]
        return [[_program(), "--foreground", "--stderr", "--no-caps", *options]]


def _program() -> str:
    """Where it is; empty when it is not."""
    return shutil.which("syslog-ng", path=f"{Path('/usr/sbin')}:/usr/local/sbin:/usr/bin:/usr/local/bin") or ""


def _told(what: str) -> str:
    """A line of what it says of itself."""
    told = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True).stdout
    lines = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
    return lines.get(what, "")
