# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`status`, `audit`, `doctor`, `trail`, `config`: look, and change nothing."""

from typing import Annotated, Literal

import typer

from forwarder.cli.filters import Json

_PANEL = "Look"
RoleName = Literal["producer", "ingest", "worker", "operator", "console"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        rich_help_panel=_PANEL, epilog="Examples:\n\nforwarder status --watch\n\nforwarder status --json | jq .default"
    )(status)
    app.command(rich_help_panel=_PANEL, epilog="Example: forwarder audit --deep || page-somebody")(audit)
    app.command(rich_help_panel=_PANEL, epilog="Example: forwarder doctor || page-somebody")(doctor)
    app.command(rich_help_panel=_PANEL, epilog="Example: forwarder trail --limit 10")(trail)
    app.command(rich_help_panel=_PANEL, epilog="Example: forwarder config --json")(config)


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh each second, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show every destination: its ledger, what waits and for how long, dead letters, drains, and whether it is paused.

    In JSON an object per destination; with --watch one line per second.
    """
    from forwarder.cli import status_view

    status_view.show(watch=watch, as_json=as_json)


def audit(
    deep: Annotated[bool, typer.Option("--deep", help="Also count the events that wait, entry by entry.")] = False,
    as_json: Json = False,
) -> None:
    """Check the books: every event accepted is delivered, dead or waiting. Exits with 1 when a line does not close."""
    from forwarder.cli import audit_view

    audit_view.show(deep=deep, as_json=as_json)


def doctor(
    role: Annotated[
        RoleName | None, typer.Option("--role", help="The program whose Redis user this is; its name tells, if given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the set-up: settings, files, Redis, workers, rights and upstreams, each finding with its mend.

    Exits with 0 when all is well, with 1 for a warning, with 2 for a fault. It changes nothing.
    """
    from forwarder.cli import doctor_view

    doctor_view.show(role, as_json=as_json)


def trail(
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=500)] = 20, as_json: Json = False
) -> None:
    """Show what operators did, the newest first: who, what, to which dead letters, and what came of it."""
    from forwarder.cli import trail_view

    trail_view.show(limit=limit, as_json=as_json)


def config(as_json: Json = False) -> None:
    """Show every setting: its variable, value, default, what is allowed, and where the value comes from."""
    from forwarder.cli import config_view

    config_view.show(as_json=as_json)
