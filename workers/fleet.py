"""The flow of a destination as one drain shares it: it reports, and learns what all together have decided.

The state is replaced only when it is still the one that was read; when another drain was quicker, the same report is
told to that drain's state. So what each has seen counts once, whatever the order.
"""

import random
from collections.abc import Callable

from forwarder.log import get_logger
from forwarder.queue import flow as shared
from forwarder.queue.connection import AsyncClient
from forwarder.queue.flow import Exchanged, Flow, Opening
from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause
from forwarder.queue.scripts import run_async
from workers.flow import Policy, Report, advance, share, without

Change = Callable[[Flow, int], tuple[Flow, Opening | None]]
"""From a state and the server's time (ms) to the next state, and a pause to be set with it."""


class Fleet:
    """One drain's part in the flow.

    Args:
        client: of the queue.
        keys: of the destination.
        token: the drain's name.
        policy: what the settings say.

    Attributes:
        flow: the state, as of the last exchange.
        pause: in force then, if any.
        share: requests that this drain may have in flight.
        now_ms: the server's time then.
    """

    def __init__(self, client: AsyncClient, keys: Keys, token: str, policy: Policy) -> None:
        self._client = client
        self._keys = keys
        self._token = token
        self._policy = policy
        self._raw: bytes | None = None
        self._log = get_logger()
        self.flow = Flow()
        self.pause: Pause | None = None
        self.share = 0
        self.now_ms = 0

    @property
    def well(self) -> bool:
        """Whether the destination is believed to be well, and nobody has paused it."""
        return self.pause is None and not self.flow.breaker.open

    @property
    def may_probe(self) -> bool:
        """Whether the pause is over and it is this drain that sends the probe."""
        return self.pause is None and self.flow.breaker.open and self.flow.breaker.prober == self._token

    async def tell(self, report: Report) -> None:
        """Report, and learn the state."""
        chance = random.random()  # noqa: S311 - jitter

        def advanced(flow: Flow, now_ms: int) -> tuple[Flow, Opening | None]:
            paused = self.pause is not None
            return advance(flow, self._token, report, now_ms, self._policy, paused=paused, chance=chance)

        limit_before = self.flow.limit.value
        await self._swap(advanced)
        self.share = share(self.flow, self._token)
        if self.flow.limit.value != limit_before:
            self._log.debug("concurrency", limit=self.flow.limit.value, share=self.share)

    async def leave(self) -> None:
        """Take no part any more."""
        await self._swap(lambda flow, _: (without(flow, self._token), None))

    async def _swap(self, change: Change) -> None:
        if self._raw is None:
            self._learn(await run_async(self._client, shared.exchange(self._keys, None, b"", None)))
        swapped = False
        while not swapped:
            new, opening = change(self.flow, self.now_ms)
            step = shared.exchange(self._keys, self._raw, shared.encode(new), opening)
            swapped = self._learn(await run_async(self._client, step))

    def _learn(self, reply: Exchanged) -> bool:
        self._raw, self.now_ms, self.pause = reply.raw, reply.now_ms, reply.pause
        self.flow = shared.decode(reply.raw)
        return reply.swapped
