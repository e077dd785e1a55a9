# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`dead-letters …`: what was refused for good."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forwarder.cli.filters import Destination, Json, Yes, with_filters

if TYPE_CHECKING:
    from forwarder.dead.filters import Filters
else:
    Filters = Any  # annotations are read when the options are made, long before this type is needed

_PANEL = "Dead letters"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    letters = typer.Typer(
        no_args_is_help=True,
        help="Look at, export, import and delete events that were refused for good.",
        epilog="Example: forwarder dead-letters list --reason rejected --since 2h",
    )
    for command, name, example in (
        (show_list, "list", "forwarder dead-letters list --status 4xx --since 7d --limit 20"),
        (show_one, "show", "forwarder dead-letters show 1767225600000-0"),
        (stats, "stats", "forwarder dead-letters stats --since 1h"),
        (groups, "groups", "forwarder dead-letters groups --since 1d"),
        (export, "export", "forwarder dead-letters export dead.jsonl.zst --reason exhausted"),
        (import_, "import", "forwarder dead-letters import dead.jsonl.zst"),
        (purge, "purge", "forwarder dead-letters purge --trace-id t-17 --yes"),
    ):
        letters.command(name, epilog=f"Example: {example}")(command)
    app.add_typer(letters, name="dead-letters", rich_help_panel=_PANEL)


@with_filters
def show_list(
    *,
    filters: Filters,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 100,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """List dead letters, oldest first."""
    from forwarder.cli import letters_view

    letters_view.show_list(filters, destination, limit=limit or None, as_json=as_json)


def show_one(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Show one dead letter with its event."""
    from forwarder.cli import letters_view

    letters_view.show_one(letter_id, destination, as_json=as_json)


@with_filters
def stats(*, filters: Filters, destination: Destination = "default", as_json: Json = False) -> None:
    """Count dead letters by reason, last answer and error."""
    from forwarder.cli import letters_view

    letters_view.show_stats(filters, destination, as_json=as_json)


@with_filters
def groups(
    *,
    filters: Filters,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 50,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Group dead letters by what they died of: the same status, and the same error but for values, ids and numbers."""
    from forwarder.cli import letters_view

    letters_view.show_groups(filters, destination, limit=limit or None, as_json=as_json)


@with_filters
def export(
    file: Annotated[str, typer.Argument(help="A new file, compressed if it ends in .gz or .zst; - for a pipe.")],
    *,
    filters: Filters,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    destination: Destination = "default",
) -> None:
    """Write dead letters as JSON lines; they stay where they are."""
    from forwarder.cli import caring

    caring.export(filters, destination, file, force=force)


def import_(
    file: Annotated[str, typer.Argument(help="What `export` wrote, also .gz and .zst; - for a pipe.")],
    again: Annotated[
        bool, typer.Option("--again", help="Also what was imported before and was replayed or purged since.")
    ] = False,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Bring exported dead letters back, each once.

    Passed over is what is still there, and what was imported before (within 30 days).
    """
    from forwarder.cli import caring

    caring.import_file(destination, file, again=again, as_json=as_json)


@with_filters
def purge(
    *,
    filters: Filters,
    everything: Annotated[bool, typer.Option("--all", help="All of them, without any filter.")] = False,
    yes: Yes = False,
    destination: Destination = "default",
    as_json: Json = False,
) -> None:
    """Delete dead letters for good. Asks first; a filter or --all is needed."""
    from forwarder.cli import caring

    caring.purge(filters, destination, everything=everything, yes=yes, as_json=as_json)
