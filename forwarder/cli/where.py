"""Where the commands operate: on the queue itself, or over HTTP with --url."""

import os
from contextvars import ContextVar
from typing import Final

from forwarder.errors import UsageError

URL: Final = "FORWARDER_URL"
TOKEN: Final = "FORWARDER_TOKEN"  # noqa: S105 - its name
OVER_HTTP: Final = frozenset({"status", "audit", "trail", "dead-letters", "replay", "pause", "resume"})
"""Commands that work with --url."""
ON_THEIR_OWN: Final = frozenset({"up", "worker", "serve", "sandbox", "config", "console-password", "console-token"})
"""Commands that reach nothing elsewhere, so that FORWARDER_URL means nothing to them."""

_url: ContextVar[str] = ContextVar("url", default="")


def choose(url: str | None, command: str | None) -> None:
    """Say where the command that follows operates.

    Args:
        url: of --url; else FORWARDER_URL counts, of the environment or .env.
        command: its name.

    Raises:
        UsageError: it cannot do that.
    """
    wanted = url or variable(URL)
    if wanted and command not in OVER_HTTP and (url or command not in ON_THEIR_OWN):
        raise UsageError(f"`forwarder {command}` does not work with --url or {URL}: run it where Redis can be reached")
    _url.set(wanted if command in OVER_HTTP else "")


def chosen_url() -> str:
    """The URL to operate over; empty for the queue itself."""
    return _url.get()


def variable(name: str) -> str:
    """A variable of the environment or .env; empty when it is not set."""
    if name in os.environ:
        return os.environ[name]
    from forwarder.dotenv_file import dotenv_variables  # noqa: PLC0415 - most have it in the environment, if at all

    return dotenv_variables().get(name) or ""
