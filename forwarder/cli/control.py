# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`pause` and `resume`: stop sending to a destination, and start again, by hand."""

from typing import Annotated

import typer

from forwarder.cli.filters import Json

_PANEL = "Control"
_Named = Annotated[str, typer.Argument(help="The destination's name; `default` unless others are configured.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        rich_help_panel=_PANEL,
        epilog="Example: forwarder pause default --reason 'upstream migrates' --for 30m",
    )(pause)
    app.command(rich_help_panel=_PANEL, epilog="Example: forwarder resume default")(resume)


def pause(
    destination: _Named,
    reason: Annotated[str, typer.Option(help="Shown to whoever looks.")] = "by hand",
    duration: Annotated[
        str | None, typer.Option("--for", help="Resume by itself after 90s, 30m, 2h, 7d.", metavar="DURATION")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send nothing to a destination for now; its events stay on the queue.

    Replaces a pause that is in force. Without --for it lasts until `forwarder resume`.
    """
    from forwarder.cli import pausing

    pausing.pause(destination, reason, duration, as_json=as_json)


def resume(destination: _Named, as_json: Json = False) -> None:
    """End the pause of a destination, whoever began it."""
    from forwarder.cli import pausing

    pausing.resume(destination, as_json=as_json)
