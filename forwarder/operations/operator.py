"""Who operates, and on which queue; everything that they change is noted on the trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from msgspec import Struct

from forwarder.queue import trail
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys, OperatorKeys
from forwarder.queue.partitions import found
from forwarder.queue.trail import Deed
from forwarder.settings import DEFAULT_DESTINATION, Settings


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said."""


class Of(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which destination."""

    destination: str = DEFAULT_DESTINATION


@dataclass(slots=True)
class Noted:
    """A deed under way.

    Attributes:
        result: what came of it, to be said before it ends.
    """

    result: str = "done"


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody at work.

    Attributes:
        settings: in force.
        client: of the queue; connects at its first command.
        who: they are, for the trail.
        via: `console`, `api` or `command`.
    """

    settings: Settings
    client: Client
    who: str = "somebody"
    via: str = "command"

    def keys(self, destination: str = DEFAULT_DESTINATION) -> Keys:
        """The keys of a destination, for what is one for all its partitions.

        Raises:
            InvalidSettings: it is not configured.
        """
        self.settings.upstream(destination)
        return Keys(destination, prefix=self.settings.key_prefix)

    def partitions(self, destination: str = DEFAULT_DESTINATION) -> list[Keys]:
        """The keys of all its partitions; raises as `keys`."""
        self.settings.upstream(destination)
        return found(self.client, self.settings, destination)

    @property
    def trail_keys(self) -> OperatorKeys:
        """Where deeds are noted."""
        return OperatorKeys(self.settings.key_prefix)

    @contextmanager
    def noting(self, action: str, destination: str, *, selection: str = "", detail: str = "") -> Iterator[Noted]:
        """Note what is done here, before and after.

        Args:
            action: in the words of the command line.
            destination: to which.
            selection: of dead letters, for people.
            detail: what else was asked for.
        """
        deed, noted = Deed(self.who, self.via, action, destination, selection, detail), Noted()
        deed_id = trail.begin(self.client, self.trail_keys, deed)
        try:
            yield noted
        except BaseException as error:
            trail.end(self.client, self.trail_keys, deed_id, f"broken off: {str(error) or type(error).__name__}")
            raise
        trail.end(self.client, self.trail_keys, deed_id, noted.result)
