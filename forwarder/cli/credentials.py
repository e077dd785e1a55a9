"""What `console-password` and `console-token` do: print settings that hold hashes alone."""

import re
import sys
from typing import get_args

import typer

from forwarder.cli.boundary import say
from forwarder.console.hashes import PASSWORD_MAX_BYTES, PASSWORD_MIN_LENGTH, hash_password, hash_token, new_token
from forwarder.console_settings import NAME_PATTERN, Role
from forwarder.errors import UsageError


def password_of(name: str, role: str) -> None:
    """Ask for a password, and print what lets its owner in.

    Raises:
        UsageError: name, role or password cannot be.
    """
    _check(name, role)
    password = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < PASSWORD_MIN_LENGTH:
        raise UsageError(f"the password is too short: {PASSWORD_MIN_LENGTH} characters are the least")
    if len(password.encode("utf-8", "replace")) > PASSWORD_MAX_BYTES:
        raise UsageError(f"the password is too long: {PASSWORD_MAX_BYTES:,} bytes are the most")
    _print("USERS", name, "PASSWORD", hash_password(password), role)


def token_of(name: str, role: str) -> None:
    """Draw a token, show it once, and print what makes it known.

    Raises:
        UsageError: name or role cannot be.
    """
    _check(name, role)
    token = new_token()
    _print("TOKENS", name, "TOKEN", hash_token(token), role)
    say(f"the token, shown this once: {token}")


def _asked() -> str:
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True))


def _check(name: str, role: str) -> None:
    if role not in get_args(Role):
        raise UsageError(f"--role {role!r}: there are viewer and operator")
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"{name!r} cannot be a name: use small letters and digits, and after the first also _ . and -")


def _print(group: str, name: str, field: str, hashed: str, role: str) -> None:
    scope = f"FORWARDER_CONSOLE_{group}__{name.upper()}__"
    sys.stdout.write(f"{scope}{field}={hashed}\n{scope}ROLE={role}\n")
