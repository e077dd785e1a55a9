"""The ways from a client to the queue: buffered or direct, and each with spans for those who trace."""

from forwarder.client.courier import Courier, Overflow
from forwarder.client.direct import Direct
from forwarder.client.drops import OnDrop
from forwarder.extras import require
from forwarder.settings import Settings


def direct(settings: Settings, *, source: str) -> Direct:
    """Each call appends.

    Raises:
        ForwarderError: spans are wanted, and the extra `otel` is not installed.
    """
    if not settings.tracing:
        return Direct(settings, source=source)
    require("otel")
    from forwarder.client.traced import TracedDirect  # noqa: PLC0415 - an extra

    return TracedDirect(settings, source=source)


def buffered(settings: Settings, *, source: str, overflow: Overflow, block_s: float, on_drop: OnDrop | None) -> Courier:
    """Two threads append what calls leave behind; raises as `direct`."""
    kind = Courier
    if settings.tracing:
        require("otel")
        from forwarder.client.traced import TracedCourier  # noqa: PLC0415 - an extra

        kind = TracedCourier
    return kind(settings, source=source, overflow=overflow, block_s=block_s, on_drop=on_drop)
