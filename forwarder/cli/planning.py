# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`plan`: how many workers and how much Redis a load takes."""

from typing import Annotated

import typer

from forwarder.cli.filters import Json

_PANEL = "Look"


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = "forwarder plan --rate 20000 --event-bytes 150 --latency 0.08s --outage 6h"
    app.command(rich_help_panel=_PANEL, epilog=f"Example: {example}")(plan)


def plan(
    *,
    rate: Annotated[float, typer.Option(help="Events per second, in the busiest hour.", min=0.001)],
    event_bytes: Annotated[int, typer.Option(help="Bytes of one event's JSON.", min=1)] = 150,
    latency: Annotated[str, typer.Option(help="Of a request to the upstream: 0.08s.")] = "0.1s",
    outage: Annotated[str, typer.Option(help="Of the upstream, which the queue is to hold: 6h.")] = "6h",
    catch_up: Annotated[str, typer.Option(help="In which its backlog is to be gone; as long as the outage.")] = "",
    singles: Annotated[bool, typer.Option("--singles", help="Events come one to an entry, by plain XADD.")] = False,
    as_json: Json = False,
) -> None:
    """Compute workers, partitions and Redis memory for a load, from what events cost as measured.

    It reads FORWARDER_BATCH_MAX_EVENTS, FORWARDER_BATCH_MAX_BYTES and FORWARDER_MEMORY_MAX_PERCENT, and needs no Redis.
    """
    from forwarder.capacity import Demand
    from forwarder.cli import plan_view
    from forwarder.cli.context import settings_in_force
    from forwarder.times import parse_duration_s

    settings, outage_s = settings_in_force(), parse_duration_s(outage)
    demand = Demand(
        rate=rate,
        event_bytes=event_bytes,
        latency_s=parse_duration_s(latency),
        outage_s=outage_s,
        catch_up_s=parse_duration_s(catch_up) if catch_up else outage_s,
        batch_events=settings.batch_max_events,
        batch_bytes=settings.batch_max_bytes,
        singles=singles,
    )
    plan_view.show(settings, demand, as_json=as_json)
