"""`cluster` for an asyncio loop; it never repeats what got no reply, for a drain must know that."""

from collections.abc import Callable, Mapping
from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from forwarder.queue.address import Node
from forwarder.queue.clients import AsyncQueueClient, PassingError, worded
from forwarder.queue.pipelines import Plan
from forwarder.queue.routes import REDIRECTS, Routes, elsewhere


class AsyncClusterClient(AsyncQueueClient):
    """As `cluster.ClusterClient`.

    Args:
        seeds: nodes to be asked for the others.
        connect: makes the client of a node.
    """

    def __init__(self, seeds: tuple[Node, ...], connect: Callable[[Node], redis.asyncio.Redis]) -> None:
        self._make = connect
        self._clients: dict[Node, redis.asyncio.Redis] = {}
        self.routes = Routes(seeds)
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
        node, asking = self.routes.node(words), False
        for _ in range(REDIRECTS):
            try:
                if asking:
                    return await self._asking(node, words, options)
                return await self.at(node).execute_command(*words, **options)
            except AskError as error:
                self.routes.note(error)
                node, asking = elsewhere(node, error)
            except (RedisConnectionError, RedisTimeoutError) as error:
                self.routes.note(error)
                raise
        raise PassingError("the cluster moves its slots about")

    async def refresh(self) -> None:
        """Ask a node, whichever answers, who has which slots, when that is due."""
        if not self.routes.due:
            return
        problem: RedisError = RedisConnectionError("no node of the cluster answers")
        for node in self.routes.candidates:
            try:
                self.routes.learn(await self.at(node).execute_command("CLUSTER", "SLOTS"), node)
            except RedisError as error:
                problem = error
            else:
                return
        raise problem

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "AsyncClusterPipeline":  # noqa: ARG002, FBT001, FBT002 - as redis-py's
        """Commands that go out together, to each node its own."""
        return AsyncClusterPipeline(self)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002, FBT001 - as redis-py's
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose(close_connection_pool=True)

    async def _asking(self, node: Node, words: tuple[Any, ...], options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any reply
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
        super().__init__(client.connection_pool, client.response_callbacks, False, None)  # noqa: FBT003 - as redis-py has it

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as redis-py's
        """Send them, a pipeline per node; what is a redirection is followed, one by one."""
        await self._client.refresh()
        plan = Plan([(words, options) for words, options in self.command_stack], self._client.routes.node)
        await self.reset()  # type: ignore[no-untyped-call] # redis-py's
        for node, commands in plan.by_node():
            try:
                async with self._client.at(node).pipeline(transaction=False) as pipeline:
                    for words, options in commands:
                        pipeline.execute_command(*words, **options)
                    plan.learn(node, await pipeline.execute(raise_on_error=False))
            except (RedisConnectionError, RedisTimeoutError) as error:
                self._client.routes.note(error)
                raise
        for at, redirection, words, options in plan.redirected():
            self._client.routes.note(redirection)
            try:
                plan.replies[at] = await self._client.once(words, options)
            except RedisError as failure:
                plan.replies[at] = failure
        return plan.answers(raise_on_error=raise_on_error)
