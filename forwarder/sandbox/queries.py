"""What comes in a query string or a header, read and checked."""

from collections.abc import Container, Iterable
from typing import Final, Protocol

from aiohttp import web

from forwarder.answers import refuse

DIGITS_MAX: Final = 20
"""Of a number: Python takes long for thousands."""


class _Choices(Container[str], Iterable[str], Protocol):
    """Names to choose from."""


def number(request: web.Request, name: str, default: int, most: int, least: int = 1) -> int:
    """A whole number within bounds.

    Raises:
        Refused: 400; it is no such number.
    """
    text = request.query.get(name, str(default))
    if not (len(text) <= DIGITS_MAX and text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise refuse(400, f"{name}: must be a whole number from {least} to {most}", name)
    return int(text)


def choice(request: web.Request, name: str, choices: _Choices, default: str = "") -> str:
    """One of several words.

    Raises:
        Refused: 400; it is none of them.
    """
    text = request.query.get(name, default)
    if text not in choices:
        raise refuse(400, f"{name}: must be one of {', '.join(choices)}", name)
    return text


def storable(text: str) -> str:
    """A header's text without what is not UTF-8, which SQLite does not take."""
    return text.encode("utf-8", "replace").decode()
