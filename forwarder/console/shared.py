"""What all pages are made with."""

import asyncio
from dataclasses import dataclass

from forwarder.console.access import Access
from forwarder.console.pages import Visit
from forwarder.operations.operator import Operator
from forwarder.queue.connection import Client
from forwarder.settings import Settings


@dataclass(frozen=True, slots=True)
class Shared:
    """What all pages are made with.

    Attributes:
        access: tells who asks.
        client: of the queue.
        stopping: set when the server stops; what streams ends then.
    """

    access: Access
    client: Client
    stopping: asyncio.Event

    @property
    def settings(self) -> Settings:
        """In force."""
        return self.access.settings

    def operator(self, visit: Visit) -> Operator:
        """Who is at work on this page."""
        return self.access.operator(visit.person, "console")
