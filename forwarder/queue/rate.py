"""The rate limit: one clock in Redis for the whole fleet, so that it is exact however many drains there are."""

from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step


def book(keys: Keys, requests_per_s: float | None, events_per_s: float | None, events: int) -> Step[float]:
    """Book the next moment at which a request may be sent; answers the seconds to wait for it.

    Args:
        keys: of the destination.
        requests_per_s: most requests; None for no limit.
        events_per_s: most events, on the average; None for no limit.
        events: in this request.
    """
    return Step("rate", [keys.rate], [_us(requests_per_s), _us(events_per_s), events], lambda us: us / 1e6)


def _us(per_s: float | None) -> str:
    return f"{1e6 / per_s:.3f}" if per_s else "0"
