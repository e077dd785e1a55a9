# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`replay`, and `replay status`, `resume` and `cancel`: the way back of dead letters."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forwarder.cli.filters import Destination, Json, Yes, with_filters, with_options

if TYPE_CHECKING:
    from forwarder.dead.filters import Filters
else:
    Filters = Any  # annotations are read when the options are made, long before this type is needed

_PANEL = "Dead letters"
_Id = Annotated[str, typer.Argument(metavar="ID", help="As `forwarder replay status` shows it.")]
_Background = Annotated[
    bool, typer.Option("--background", "-b", help="A worker runs it; `replay status` shows how far it is.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        invoke_without_command=True,
        no_args_is_help=False,
        epilog="Examples:\n\nforwarder replay --reason exhausted --rate 500\n\n"
        "forwarder replay --contains '\"value\":11' --set value=10 --dry-run\n\n"
        "forwarder replay --status 422 --map-trace-id ids.csv --canary 100 --background",
    )
    group.callback()(replay)
    group.command(epilog="Example: forwarder replay status --json")(status)
    group.command(epilog="Example: forwarder replay resume 1f2e3d4c5b6a")(resume)
    group.command(epilog="Example: forwarder replay cancel 1f2e3d4c5b6a")(cancel)
    app.add_typer(group, name="replay", rich_help_panel=_PANEL)


def _options(
    *,
    rate: Annotated[float | None, typer.Option(help="At most so many events per second.", min=0.001)] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many.", min=1)] = None,
    canary: Annotated[
        int, typer.Option(help="Send so many first, wait, and go on only if all of them were delivered.", min=0)
    ] = 0,
    max_replays: Annotated[int | None, typer.Option(help="Leave what was replayed so often already.", min=0)] = None,
    edits: Annotated[
        list[str] | None, typer.Option("--set", help="Mend a field on the way; may be repeated.", metavar="FIELD=VALUE")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="Leave a field out; may be repeated.", metavar="FIELD")
    ] = None,
    map_trace_id: Annotated[
        str | None,
        typer.Option("--map-trace-id", metavar="FILE", help="Lines old,new (or a .json object); others stay dead."),
    ] = None,
    to: Annotated[str, typer.Option("--to", help="Another destination than their own.", metavar="NAME")] = "",
) -> dict[str, Any]:
    """What is to be done with the letters."""
    return {
        "rate": rate,
        "limit": limit,
        "canary": canary,
        "max_replays": max_replays,
        "edits": tuple(edits or ()),
        "unset": tuple(unset or ()),
        "map_trace_id": map_trace_id,
        "to": to,
    }


@with_filters
@with_options(_options, "options")
def replay(
    ctx: typer.Context,
    *,
    filters: Filters,
    options: dict[str, Any],
    background: _Background = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every event is delivered or dead again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count, by reason, with the first ten and the time it would take.")
    ] = False,
    yes: Yes = False,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Move dead letters back onto the queue, mended if asked; asks first on a terminal.

    VALUE is JSON (a number, an object, or null to leave the field out); for trace_id and text it is taken as it stands.
    Letters that are no valid event, even as mended, stay dead and are reported. Each page moves at once or not at all:
    Ctrl-C or a kill -9 loses and doubles nothing, and the same command goes on. What dies again is not met again.
    """
    if ctx.invoked_subcommand:
        return
    from forwarder.cli import replaying

    asked = replaying.asked_for(filters, destination, **options)
    if dry_run:
        replaying.rehearse(asked, as_json=as_json)
    else:
        replaying.replay(asked, background=background, wait=wait, yes=yes, as_json=as_json)


def status(
    replay_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One replay; the newest 20 without it.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it is over.")] = False,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Show replays: state, progress, and what became of their events."""
    from forwarder.cli import replay_view

    replay_view.show(replay_id, destination, watch=watch, as_json=as_json)


def resume(
    replay_id: _Id, background: _Background = False, destination: Destination = "default", as_json: Json = False
) -> None:
    """Go on with a replay that was cancelled, stopped or interrupted, where it ended; its bound stays."""
    from forwarder.cli import replaying

    replaying.resume(replay_id, destination, background=background, as_json=as_json)


def cancel(replay_id: _Id, destination: Destination = "default", as_json: Json = False) -> None:
    """End a replay after the page that is under way; what has moved stays moved."""
    from forwarder.cli import replaying

    replaying.cancel(replay_id, destination, as_json=as_json)
