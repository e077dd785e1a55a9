"""The table "figures of a queue": latency, appending, memory."""

from collections.abc import Iterator

from tests.benchmarks import appending, latency, memory
from tests.benchmarks.finding import Finding


def findings() -> Iterator[Finding]:
    """All of them."""
    yield from latency.findings()
    yield from appending.findings()
    yield from memory.findings()
