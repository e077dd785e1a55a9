"""What every command needs first: settings, with a warning for misspelt variables, and the queue."""

import difflib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dotenv import dotenv_values

from forwarder.cli.boundary import say
from forwarder.queue.connection import Client, connect, queue_errors
from forwarder.queue.keys import Keys
from forwarder.queue.partitions import found
from forwarder.settings import DEFAULT_DESTINATION, PREFIX, Settings, Upstream, load_settings

_DESTINATIONS = f"{PREFIX}DESTINATIONS"
_INGEST_KEYS = f"{PREFIX}INGEST_KEYS"


@dataclass(frozen=True, slots=True)
class Queue:
    """An open queue.

    Attributes:
        settings: in force.
        client: connects at its first command.
    """

    settings: Settings
    client: Client

    def keys(self, destination: str = DEFAULT_DESTINATION) -> Keys:
        """The keys of a destination, for what is one for all its partitions.

        Raises:
            InvalidSettings: it is not configured.
        """
        self.settings.upstream(destination)
        return Keys(destination, prefix=self.settings.key_prefix)

    def partitions(self, destination: str = DEFAULT_DESTINATION) -> list[Keys]:
        """The keys of all its partitions; raises as above."""
        self.settings.upstream(destination)
        return found(self.client, self.settings, destination)


def settings_in_force() -> Settings:
    """The settings; says on standard error which variables mean nothing."""
    for name in unknown_variables([*os.environ, *dotenv_values(".env")]):
        close = difflib.get_close_matches(name, known_variables(), n=1)
        hint = f"; did you mean {close[0]}?" if close else "; `forwarder config` lists those that are"
        say(f"warning: {name} is not a setting{hint}")
    return load_settings()


def known_variables() -> list[str]:
    """The names of all settings, as variables."""
    return [PREFIX + name.upper() for name in Settings.model_fields]


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Those of our prefix that are no setting; each once, sorted."""
    known = set(known_variables())
    ours = {name.upper() for name in names if name.upper().startswith(PREFIX)}
    return sorted(name for name in ours - known if not _is_of_a_name(name))


def _is_of_a_name(name: str) -> bool:
    """`FORWARDER_DESTINATIONS__NAME__FIELD`, or the same of an ingest key; its field is checked with the settings."""
    scope, _, rest = name.partition("__")
    return scope in (_DESTINATIONS, _INGEST_KEYS) and bool(rest)


def destination_variables(destination: str) -> dict[str, str]:
    """The variables of a destination's own settings, by field."""
    return {field: f"{_DESTINATIONS}__{destination.upper()}__{field.upper()}" for field in Upstream.model_fields}


@contextmanager
def open_queue() -> Iterator[Queue]:
    """The queue of the settings; what Redis raises becomes one clear line."""
    settings = settings_in_force()
    client = connect(settings)
    try:
        with queue_errors(settings):
            yield Queue(settings, client)
    finally:
        client.close()
