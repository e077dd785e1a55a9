"""`cluster` for an asyncio loop; it never repeats what got no reply, for a drain must know that."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from forwarder.queue.address import Node
from forwarder.queue.clients import AsyncQueueClient, PassingError, worded
from forwarder.queue.cluster import REDIRECTS, REFRESH_S
from forwarder.queue.pipelines import Plan
from forwarder.queue.slots import SlotMap, slot_of


class AsyncClusterClient(AsyncQueueClient):
    """As `cluster.ClusterClient`.

    Args:
        seeds: nodes to be asked for the others.
        connect: makes the client of a node.
    """

    def __init__(self, seeds: tuple[Node, ...], connect: Callable[[Node], redis.asyncio.Redis]) -> None:
        self._seeds = seeds
        self._make = connect
        self._clients: dict[Node, redis.asyncio.Redis] = {}
        self._map = SlotMap()
        self._stale = True
        self._asked_at = 0.0
        super().__init__(connection_pool=self.at(seeds[0]).connection_pool)

    def at(self, node: Node) -> redis.asyncio.Redis:
        """The client of a node."""
        return self._clients.get(node) or self._clients.setdefault(node, self._make(node))

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        """Send a command to the node that has its key."""
        return await self.once(args, options)

    async def once(self, words: tuple[Any, ...], options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any reply
        """Send it once; elsewhere when the node says that it is not its."""
        await self.refresh()
        node, asking = self.node(words), False
        for _ in range(REDIRECTS):
            try:
                if asking:
                    return await self._asking(node, words, options)
                return await self.at(node).execute_command(*words, **options)  # type: ignore[no-untyped-call]
            except AskError as error:
                node, asking = (error.host or node[0], error.port), not isinstance(error, MovedError)
                self._stale = self._stale or not asking
            except (RedisConnectionError, RedisTimeoutError):
                self._stale = True
                raise
        raise PassingError("the cluster moves its slots about")

    def node(self, words: tuple[Any, ...]) -> Node:
        """Where a command goes, as far as the map is known."""
        slot = slot_of(words)
        found = next(iter(self._map.nodes), None) if slot is None else self._map.node(slot)
        if found is None:
            self._stale = True
            raise PassingError(f"no node of the cluster has the slot {slot}")
        return found

    async def refresh(self) -> None:
        """Ask a node, whichever answers, who has which slots, when something has changed."""
        recent = time.monotonic() - self._asked_at < REFRESH_S
        if not self._stale or (recent and self._map.nodes):
            return
        problem: RedisError = RedisConnectionError("no node of the cluster answers")
        for node in dict.fromkeys([*self._map.nodes, *self._seeds]):
            try:
                self._map.learn(await self.at(node).execute_command("CLUSTER", "SLOTS"), node)  # type: ignore[no-untyped-call]
            except RedisError as error:
                problem = error
            else:
                self._stale, self._asked_at = False, time.monotonic()
                return
        raise problem

    def note(self, error: Exception) -> None:
        """Something went wrong at a node of a pipeline."""
        self._stale = self._stale or not isinstance(error, AskError) or isinstance(error, MovedError)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "AsyncClusterPipeline":  # noqa: ARG002, FBT001, FBT002 - as redis-py's
        """Commands that go out together, to each node its own."""
        return AsyncClusterPipeline(self)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002, FBT001 - as redis-py's
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose(close_connection_pool=True)

    async def _asking(self, node: Node, words: tuple[Any, ...], options: Mapping[str, Any]) -> Any:  # noqa: ANN401
        async with self.at(node).pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*words, **options)
            reply = (await pipeline.execute(raise_on_error=False))[1]
        if isinstance(reply, Exception):
            raise worded(reply)
        return reply


class AsyncClusterPipeline(Pipeline):
    """As `cluster.ClusterPipeline`."""

    def __init__(self, client: AsyncClusterClient) -> None:
        self._client = client
        super().__init__(client.connection_pool, client.response_callbacks, False, None)  # noqa: FBT003

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as redis-py's
        """Send them, a pipeline per node; what is a redirection is followed, one by one."""
        await self._client.refresh()
        plan = Plan([(words, options) for words, options in self.command_stack], self._client.node)
        await self.reset()  # type: ignore[no-untyped-call]
        for node, commands in plan.by_node():
            try:
                async with self._client.at(node).pipeline(transaction=False) as pipeline:
                    for words, options in commands:
                        pipeline.execute_command(*words, **options)
                    plan.learn(node, await pipeline.execute(raise_on_error=False))
            except (RedisConnectionError, RedisTimeoutError) as error:
                self._client.note(error)
                raise
        for at, redirection, words, options in plan.redirected():
            self._client.note(redirection)
            try:
                plan.replies[at] = await self._client.once(words, options)
            except RedisError as failure:
                plan.replies[at] = failure
        return plan.answers(raise_on_error=raise_on_error)
