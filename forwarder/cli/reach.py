"""How the commands reach the queue: Redis itself, or the API of whoever serves it; the operations are the same."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from forwarder.cli.boundary import say
from forwarder.cli.context import settings_in_force
from forwarder.cli.where import TOKEN, chosen_url, variable
from forwarder.dead.filters import Filters
from forwarder.listening import is_loopback
from forwarder.operations.letter_forms import Chosen
from forwarder.operations.operator import Operator
from forwarder.operations.table import EXPORT, Operation
from forwarder.queue.connection import connect
from forwarder.queue.unavailable import queue_errors

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Reach(Protocol):
    """A way to have operations done."""

    def do(self, operation: Operation[Asked, Answer], asked: Asked, /) -> Answer:
        """Do an operation."""

    def export(self, asked: Chosen, /) -> Iterator[bytes]:
        """Dead letters as JSON lines."""


@dataclass(frozen=True, slots=True)
class Direct:
    """By Redis itself.

    Attributes:
        operator: whoever sits here.
    """

    operator: Operator

    def do(self, operation: Operation[Asked, Answer], asked: Asked) -> Answer:
        """Do an operation; what Redis raises becomes one clear line."""
        with queue_errors(self.operator.settings):
            return operation.run(self.operator, asked)

    def export(self, asked: Chosen) -> Iterator[bytes]:
        """Dead letters as JSON lines."""
        return EXPORT.run(self.operator, asked)


@contextmanager
def reached() -> Iterator[Reach]:
    """The queue, one way or the other."""
    if not chosen_url():
        with open_queue() as operator:
            yield Direct(operator)
        return
    from forwarder.remote import Remote  # noqa: PLC0415 - httpx is needed by nobody else here

    token = variable(TOKEN)
    remote = Remote(chosen_url(), token)
    if token and _is_read_by_others(remote.url):
        say(
            f"warning: {TOKEN} goes to {remote.url} unencrypted, and whoever reads it may do what you may: use https://"
        )
    try:
        yield remote
    finally:
        remote.close()


def _is_read_by_others(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


@contextmanager
def open_queue() -> Iterator[Operator]:
    """The queue of the settings; what Redis raises becomes one clear line."""
    settings = settings_in_force()
    client = connect(settings)
    try:
        with queue_errors(settings):
            yield Operator(settings, client, whoever(), "command")
    finally:
        client.close()


def whoever() -> str:
    """Who sits here."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def chosen(filters: Filters, destination: str) -> dict[str, object]:
    """Filters and a destination, to be given to what takes both."""
    given = {name: getattr(filters, name) for name in Filters.__struct_fields__}
    return {**given, "destination": destination}
