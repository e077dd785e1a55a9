"""Options that several commands share, and the filters of all commands on dead letters."""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Destination = Annotated[str, typer.Option("--destination", "-d", help="The destination, when there are several.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_PANEL = "Filters (all that are given must hold)"


def _filters(
    *,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            help="rejected, unproven, too_large, exhausted, invalid or poison; may be repeated.", rich_help_panel=_PANEL
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="The last answer: 503, 4xx, or none; may be repeated.", rich_help_panel=_PANEL),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Died at most so long ago (2h, 30m, 7d) or since an ISO time (UTC).", rich_help_panel=_PANEL),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Died before; as --since.", rich_help_panel=_PANEL)] = None,
    trace_id: Annotated[str | None, typer.Option(help="Exactly this trace id.", rich_help_panel=_PANEL)] = None,
    source: Annotated[str | None, typer.Option(help="Exactly this service.", rich_help_panel=_PANEL)] = None,
    contains: Annotated[
        str | None, typer.Option(help="This text is in the body or the error.", rich_help_panel=_PANEL)
    ] = None,
) -> Any:  # noqa: ANN401 - a Selection, whose module is imported when it is needed
    """The selection that the options make."""
    from forwarder.selection import select  # noqa: PLC0415 - `--help` does not need it

    return select(
        now_ms=time.time_ns() // 1_000_000,
        reasons=reason or (),
        statuses=status or (),
        since=since,
        until=until,
        trace_id=trace_id,
        source=source,
        contains=contains,
    )


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all filters as options, and hand it what they select as its argument `selection`."""
    filters = inspect.signature(_filters).parameters
    own = [option for option in inspect.signature(command).parameters.values() if option.name != "selection"]

    @functools.wraps(command)
    def filtered(**options: Any) -> None:  # noqa: ANN401 - whatever the options' types are
        selection = _filters(**{name: options.pop(name) for name in filters})
        command(selection=selection, **options)

    shown = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in (*own, *filters.values())]
    filtered.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what typer reads
    return filtered
