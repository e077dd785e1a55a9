"""Options that several commands share, and the filters of all commands on dead letters."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from forwarder import clock

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Destination = Annotated[str, typer.Option("--destination", "-d", help="The destination, when there are several.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_PANEL = "Filters (all that are given must hold)"


def _option(help_text: str, *names: str) -> Any:  # noqa: ANN401 - typer's own type is not public
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL)


def _filters(
    *,
    reason: Annotated[
        list[str] | None,
        _option("rejected, unproven, too_large, exhausted, invalid or poison; may be repeated."),
    ] = None,
    status: Annotated[list[str] | None, _option("The last answer: 503, 4xx, or none; may be repeated.")] = None,
    since: Annotated[str | None, _option("Died at most so long ago (2h, 30m, 7d) or since an ISO time (UTC).")] = None,
    until: Annotated[str | None, _option("Died before; as --since.")] = None,
    accepted_since: Annotated[str | None, _option("First accepted since; as --since.")] = None,
    accepted_until: Annotated[str | None, _option("First accepted before; as --since.")] = None,
    trace_id: Annotated[str | None, _option("Exactly this trace id.")] = None,
    source: Annotated[str | None, _option("Exactly this service.")] = None,
    batch: Annotated[str | None, _option("Last sent in this batch.")] = None,
    contains: Annotated[str | None, _option("This text is in the body or the error.")] = None,
    message: Annotated[str | None, _option("Died of this error, but for values, ids and numbers.")] = None,
    attempts: Annotated[str | None, _option("Sent so often: 3, 3.., ..3 or 1..3.")] = None,
    replays: Annotated[str | None, _option("Replayed so often; as --attempts.")] = None,
    letter_id: Annotated[list[str] | None, _option("Exactly this letter; may be repeated.", "--id")] = None,
) -> Any:  # noqa: ANN401 - Filters, whose module is imported when it is needed
    """What the options select, seen to be possible; its times stand still."""
    from forwarder.dead.filters import Filters  # noqa: PLC0415 - `--help` does not need it

    return Filters(
        id=tuple(letter_id or ()),
        reason=tuple(reason or ()),
        status=tuple(status or ()),
        since=since,
        until=until,
        accepted_since=accepted_since,
        accepted_until=accepted_until,
        trace_id=trace_id,
        source=source,
        batch=batch,
        contains=contains,
        message=message,
        attempts=attempts,
        replays=replays,
    ).pinned(clock.now_ms())


def with_options(maker: Callable[..., Any], argument: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of another function, and hand it what that makes of them as one argument.

    Args:
        maker: has the options as its keyword arguments.
        argument: the command's name for what it makes.
    """
    options = inspect.signature(maker).parameters

    def wrapped(command: Callable[..., None]) -> Callable[..., None]:
        signature = getattr(command, "__signature__", None) or inspect.signature(command)
        own = [option for option in signature.parameters.values() if option.name != argument]

        @functools.wraps(command)
        def filtered(**given: Any) -> None:  # noqa: ANN401 - whatever the options' types are
            made = maker(**{name: given.pop(name) for name in options})
            command(**{argument: made}, **given)

        shown = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in (*own, *options.values())]
        filtered.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what typer reads
        return filtered

    return wrapped


with_filters = with_options(_filters, "filters")
"""All filters as options; what they select comes as the argument `filters`."""
