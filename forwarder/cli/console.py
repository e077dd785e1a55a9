"""`console-password` and `console-token`: what the settings of the console want in place of passwords and tokens."""

import sys
from typing import Annotated

import typer

from forwarder.cli.boundary import say
from forwarder.console.hashes import (
    PASSWORD_MAX_BYTES,
    PASSWORD_MIN_LENGTH,
    hash_password,
    hash_token,
    new_token,
)
from forwarder.errors import UsageError

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
    _check(name, role)
    password = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < PASSWORD_MIN_LENGTH:
        raise UsageError(f"the password is too short: {PASSWORD_MIN_LENGTH} characters are the least")
    if len(password.encode("utf-8", "replace")) > PASSWORD_MAX_BYTES:
        raise UsageError(f"the password is too long: {PASSWORD_MAX_BYTES:,} bytes are the most")
    _print("USERS", name, "PASSWORD", hash_password(password), role)


def console_token(
    name: Annotated[str, typer.Argument(help="Whose it is, for the trail.")], role: _Role = "operator"
) -> None:
    """Draw a token for /api and `forwarder --url`: shown once, on standard error; its settings on standard output."""
    _check(name, role)
    token = new_token()
    _print("TOKENS", name, "TOKEN", hash_token(token), role)
    say(f"the token, shown this once: {token}")


def _asked() -> str:
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True))


def _check(name: str, role: str) -> None:
    from forwarder.settings import load_settings  # noqa: PLC0415 - `--help` needs none

    if role not in ("viewer", "operator"):
        raise UsageError(f"--role {role!r}: there are viewer and operator")
    load_settings(console_tokens={name: hash_token("")})  # says what a name may be


def _print(group: str, name: str, field: str, hashed: str, role: str) -> None:
    scope = f"FORWARDER_CONSOLE_{group}__{name.upper()}__"
    sys.stdout.write(f"{scope}{field}={hashed}\n{scope}ROLE={role}\n")
