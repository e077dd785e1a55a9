# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`console-password` and `console-token`: what the settings of the console want in place of passwords and tokens."""

from typing import Annotated

import typer

_PANEL = "Control"
_Role = Annotated[str, typer.Option(help="viewer: looks; operator: also changes.", metavar="ROLE")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("console-password", rich_help_panel=_PANEL, epilog="Example: forwarder console-password ann >> .env")(
        console_password
    )
    app.command(
        "console-token", rich_help_panel=_PANEL, epilog="Example: forwarder console-token ci --role viewer >> .env"
    )(console_token)


def console_password(
    name: Annotated[str, typer.Argument(help="Whose it is: the name of the login.")], role: _Role = "operator"
) -> None:
    """Ask for a password, twice, and print the settings that let its owner into the console.

    In a pipe the password is the first line of standard input.
    """
    from forwarder.cli import credentials

    credentials.password_of(name, role)


def console_token(
    name: Annotated[str, typer.Argument(help="Whose it is, for the trail.")], role: _Role = "operator"
) -> None:
    """Draw a token for /api and `forwarder --url`: shown once, on standard error; its settings on standard output."""
    from forwarder.cli import credentials

    credentials.token_of(name, role)
