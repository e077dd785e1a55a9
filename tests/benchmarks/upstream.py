"""The sink that counts, as a benchmark sees it."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Final

from tests.benchmarks.delivery import sink

ASK_S: Final = 10.0
"""For a question that is answered at once."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What has come to it.

    Attributes:
        events: so many.
        requests: that brought them.
        first_events: of them came with the first request.
        first_s: when that came (monotonic clock, s).
        last_s: when the last one came.
    """

    events: int
    requests: int
    first_events: int
    first_s: float
    last_s: float

    @property
    def per_s(self) -> float:
        """Events per second, from the first request to the last; 0 with a single one."""
        seconds = self.last_s - self.first_s
        return (self.events - self.first_events) / seconds if seconds else 0.0


class Upstream:
    """Where events go.

    Attributes:
        url: its base URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def arrived(self, events: int = 0, within_s: float = ASK_S) -> Arrived:
        """What has come when so many events have, or when the time is over."""
        try:
            return self._ask(events, within_s)
        except TimeoutError:
            return self._ask(0, ASK_S)

    def _ask(self, events: int, within_s: float) -> Arrived:
        with contextlib.closing(HTTPConnection(self.url.removeprefix("http://"), timeout=within_s)) as connection:
            connection.request("GET", f"/arrived/{events}")
            return Arrived(**json.load(connection.getresponse()))


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    """One of one's own, running; it answers at once."""
    with sink(0, "count") as url:
        yield Upstream(url)
