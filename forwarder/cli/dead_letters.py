# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`dead-letters …` and `replay`: what was refused for good, and the way back."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forwarder.cli.filters import Destination, Json, Yes, with_filters

if TYPE_CHECKING:
    from forwarder.selection import Selection
else:
    Selection = Any  # annotations are read when the options are made, long before this type is needed

_PANEL = "Dead letters"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    letters = typer.Typer(
        no_args_is_help=True,
        help="Look at, export and delete events that were refused for good.",
        epilog="Example: forwarder dead-letters list --reason rejected --since 2h",
    )
    for command, name, example in (
        (show_list, "list", "forwarder dead-letters list --status 4xx --since 7d --limit 20"),
        (show_one, "show", "forwarder dead-letters show 1767225600000-0"),
        (stats, "stats", "forwarder dead-letters stats --since 1h"),
        (export, "export", "forwarder dead-letters export dead.jsonl --reason exhausted"),
        (purge, "purge", "forwarder dead-letters purge --trace-id t-17 --yes"),
    ):
        letters.command(name, epilog=f"Example: {example}")(command)
    app.add_typer(letters, name="dead-letters", rich_help_panel=_PANEL)
    app.command(
        rich_help_panel=_PANEL,
        epilog="Examples:\n\nforwarder replay --reason exhausted --rate 500\n\n"
        "forwarder replay --contains '\"value\":11' --set value=10 --dry-run",
    )(replay)


@with_filters
def show_list(
    *,
    selection: Selection,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 100,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """List dead letters, oldest first."""
    from forwarder.cli import letters_view

    letters_view.show_list(selection, destination, limit=limit or None, as_json=as_json)


def show_one(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Show one dead letter with its event."""
    from forwarder.cli import letters_view

    letters_view.show_one(letter_id, destination, as_json=as_json)


@with_filters
def stats(*, selection: Selection, destination: Destination = "default", as_json: Json = False) -> None:
    """Count dead letters by reason, last answer and error."""
    from forwarder.cli import letters_view

    letters_view.show_stats(selection, destination, as_json=as_json)


@with_filters
def export(
    file: Annotated[str, typer.Argument(help="A new file, or - for standard output.")],
    *,
    selection: Selection,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    destination: Destination = "default",
) -> None:
    """Write dead letters as JSON lines; they stay where they are."""
    from forwarder.cli import letters_view

    letters_view.export(selection, destination, file, force=force)


@with_filters
def purge(
    *,
    selection: Selection,
    everything: Annotated[bool, typer.Option("--all", help="All of them, without any filter.")] = False,
    yes: Yes = False,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Delete dead letters for good. Asks first; a filter or --all is needed."""
    from forwarder.cli import replaying

    replaying.purge(selection, destination, everything=everything, yes=yes, as_json=as_json)


@with_filters
def replay(
    *,
    selection: Selection,
    rate: Annotated[float | None, typer.Option(help="At most so many events per second.", min=0.001)] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many.", min=1)] = None,
    edits: Annotated[
        list[str] | None, typer.Option("--set", help="Mend a field on the way; may be repeated.", metavar="FIELD=VALUE")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be moved.")] = False,
    yes: Yes = False,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Move dead letters back onto the queue, mended if asked; asks first on a terminal.

    VALUE is JSON (a number, an object, or null to leave the field out); for trace_id and text it is taken as it stands.
    Letters that are no valid event, even as mended, stay dead and are reported. Each page moves at once or not at all:
    Ctrl-C loses and doubles nothing, and the same command goes on.
    """
    from forwarder.cli import replaying
    from forwarder.replay import Plan, parse_edits

    plan = Plan(selection, parse_edits(edits or ()), limit, rate, dry_run)
    replaying.replay(plan, destination, yes=yes, as_json=as_json)
