"""What the handlers share: the options, the store, the faults, the keys."""

import asyncio
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from forwarder.feedback import Codec, Limits, codec
from forwarder.sandbox.plan import Plan
from forwarder.sandbox.reached import DEFAULT_KEY
from forwarder.sandbox.store import MAX_POSITIONS, Store
from forwarder.sandbox.witness import Witness

DEFAULT_MAX_BODY_BYTES: Final = 10 * 1024 * 1024
CLIENT_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """What is fixed when the sandbox starts.

    Attributes:
        keys: the API keys that are accepted, until others are put.
        max_body_bytes: of a request, decompressed; more is refused with 413.
        max_events: of an array; None for as many as the body holds.
        trace_id_max_length: characters.
        seed: of the faults' random numbers.
    """

    keys: frozenset[str] = frozenset({DEFAULT_KEY})
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    max_events: int | None = None
    trace_id_max_length: int = 512
    seed: int = 0

    @property
    def codec(self) -> Codec:
        """Reads events; one of them may be as large as a body."""
        return codec(Limits(self.trace_id_max_length, self.max_body_bytes))

    @property
    def array_limit(self) -> int:
        """The most events that are taken at once."""
        return MAX_POSITIONS if self.max_events is None else min(self.max_events, MAX_POSITIONS)


@dataclass(slots=True)
class State:
    """What changes while it runs."""

    options: Options
    store: Store
    witness: Witness
    plan: Plan
    keys: frozenset[str]
    codec: Codec
    in_flight: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Counts a request among those in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries an accepted key, in either of the two headers."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        offered = [headers.get("x-portkey-api-key", ""), token.strip() if scheme.lower() == "bearer" else ""]
        return any(_same(key, text) for key in self.keys for text in offered)

    async def wait(self, seconds: float) -> None:
        """Wait, but not longer than the sandbox lives."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    async def hang(self, request: web.Request, seconds: float) -> bool:
        """Wait until the time is over (True), or the client has left or the sandbox stops (False)."""
        ends = asyncio.get_running_loop().time() + seconds
        while (left := ends - asyncio.get_running_loop().time()) > 0:
            await self.wait(min(left, CLIENT_LOOK_S))
            if self.closing.is_set() or request.transport is None:
                return False
        return True


STATE: Final = web.AppKey("state", State)


def _same(key: str, offered: str) -> bool:
    return hmac.compare_digest(key.encode(), offered.encode("utf-8", "surrogateescape"))
