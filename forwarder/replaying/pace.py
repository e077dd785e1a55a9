"""How fast a replay may go."""

import time

from forwarder.queue.dead_letters import PAGE


class Pace:
    """Keeps a run below a rate: smaller pages, and a wait after each.

    Args:
        rate: letters per second; None for no bound.
        moved: letters that were moved before this began.

    Attributes:
        page: letters of a page.
    """

    def __init__(self, rate: float | None, moved: int) -> None:
        self._rate = rate
        self._moved = moved
        self._began_s = time.monotonic()
        self.page = PAGE if rate is None else max(1, min(PAGE, int(rate)))

    def ahead_s(self, moved: int) -> float:
        """Seconds to wait until so many may have been moved."""
        if self._rate is None:
            return 0.0
        return (moved - self._moved) / self._rate - (time.monotonic() - self._began_s)
