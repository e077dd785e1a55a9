"""What `plan` shows."""

import math
from collections.abc import Iterator

from forwarder.capacity import Capacity, Demand, plan
from forwarder.cli.output import json_out, line, table_out
from forwarder.settings import Settings
from forwarder.times import shown_duration

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


def show(settings: Settings, demand: Demand, *, as_json: bool) -> None:
    """The capacity for a demand, and the settings that differ from those in force."""
    capacity = plan(demand, memory_max_percent=settings.memory_max_percent)
    if as_json:
        json_out(capacity.as_json())
        return
    table_out(["", "wanted"], [[name, value] for name, value in _rows(demand, capacity)])
    for text in _settings(settings, capacity):
        line(text)


def _rows(demand: Demand, capacity: Capacity) -> Iterator[tuple[str, str]]:
    cores = f"{capacity.redis_cores:.2f} cores"
    redis = "one server" if capacity.nodes == 1 else f"a cluster of {capacity.nodes} primaries"
    yield "workers", f"{capacity.workers:,}, a core each ({capacity.per_worker:,.0f} events/s per worker)"
    yield "Redis", f"{redis}, {cores} of its CPU; {shown_bytes(capacity.redis_bytes)} maxmemory, noeviction"
    yield "partitions", f"{capacity.partitions:,}"
    at_once = f"{capacity.requests_at_once:,} at once"
    yield "requests", f"{capacity.requests_per_s:,.1f}/s of {capacity.batch_events:,} events, {at_once}"
    outage, catch_up = shown_duration(demand.outage_s), shown_duration(demand.catch_up_s)
    yield "backlog", f"{capacity.backlog_events:,} events after {outage}, gone {catch_up} later"


def _settings(settings: Settings, capacity: Capacity) -> Iterator[str]:
    """What has to be set for it."""
    wanted = {
        "FORWARDER_PARTITIONS": (capacity.partitions, settings.partitions),
        "FORWARDER_MAX_DRAINS": (capacity.max_drains, settings.max_drains),
        "FORWARDER_CONCURRENCY_MAX": (capacity.requests_at_once, settings.concurrency_max),
        "FORWARDER_BACKLOG_MAX_EVENTS": (capacity.backlog_max_events, settings.backlog_max_events),
    }
    for name, (least, now) in wanted.items():
        if least > now:
            yield f"{name}={least} (it is {now:,})"


def shown_bytes(amount: float) -> str:
    """`1.4 GiB`."""
    power = min(len(_UNITS) - 1, max(0, int(math.log(max(amount, 1), _STEP))))
    scaled = amount / _STEP**power
    return f"{scaled:.{1 if power and scaled < 100 else 0}f} {_UNITS[power]}"  # noqa: PLR2004 - a digit where it matters
