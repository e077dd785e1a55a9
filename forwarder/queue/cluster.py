"""Clients of a Redis Cluster: plain clients, one per node, and a map of slots that says which of them is asked.

redis-py's own cluster client repeats what got no reply, also reads, which may have brought entries; it cannot WAIT on
the connection that wrote; and it connects when it is made. Here a command goes to one node and is sent elsewhere only
when that node says so (MOVED, ASK), which means that it was not done; what got no reply is the caller's to repeat.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import redis
from redis.client import Pipeline
from redis.exceptions import AskError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from forwarder.queue.address import Node
from forwarder.queue.clients import PassingError, QueueClient, worded
from forwarder.queue.pipelines import Plan
from forwarder.queue.routes import REDIRECTS, Routes, elsewhere

POLL_S: Final = 0.05
"""Between two looks at streams of several nodes, which no one read can wait for."""


class ClusterClient(QueueClient):
    """For threads.

    Args:
        seeds: nodes to be asked for the others.
        connect: makes the client of a node; it does not repeat anything.
        pauses_s: between the tries of a command that got no reply; empty to try once.
    """

    def __init__(self, seeds: tuple[Node, ...], connect: Callable[[Node], redis.Redis], pauses_s: list[float]) -> None:
        self._make = connect
        self._pauses_s = pauses_s
        self._clients: dict[Node, redis.Redis] = {}
        self.routes = Routes(seeds)
        super().__init__(connection_pool=self.at(seeds[0]).connection_pool)

    def at(self, node: Node) -> redis.Redis:
        """The client of a node."""
        return self._clients.get(node) or self._clients.setdefault(node, self._make(node))

    def for_command(self, words: Sequence[Any]) -> redis.Redis:
        """The client of the node that has its key."""
        return self.at(self.node(tuple(words)))

    def servers(self) -> dict[str, redis.Redis]:
        """Clients of all primaries, by `host:port`."""
        self.refresh()
        return {f"{host}:{port}": self.at((host, port)) for host, port in self.routes.primaries}

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        """Send a command to the node that has its key; again, when it got no reply and there are pauses for it."""
        for pause_s in self._pauses_s:
            try:
                return self.once(args, options)
            except (RedisConnectionError, RedisTimeoutError):
                time.sleep(pause_s)
        return self.once(args, options)

    def once(self, words: tuple[Any, ...], options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any reply
        """Send it once; elsewhere when the node says that it is not its."""
        node, asking = self.node(words), False
        for _ in range(REDIRECTS):
            try:
                if asking:
                    return self._asking(node, words, options)
                return self.at(node).execute_command(*words, **options)
            except AskError as error:
                self.routes.note(error)
                node, asking = elsewhere(node, error)
            except (RedisConnectionError, RedisTimeoutError) as error:
                self.routes.note(error)
                raise
        raise PassingError("the cluster moves its slots about")

    def node(self, words: tuple[Any, ...]) -> Node:
        """Where a command goes."""
        self.refresh()
        return self.routes.node(words)

    def refresh(self) -> None:
        """Ask a node, whichever answers, who has which slots, when that is due."""
        if not self.routes.due:
            return
        problem: RedisError = RedisConnectionError("no node of the cluster answers")
        for node in self.routes.candidates:
            try:
                self.routes.learn(self.at(node).execute_command("CLUSTER", "SLOTS"), node)
            except RedisError as error:
                problem = error
            else:
                return
        raise problem

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "ClusterPipeline":  # noqa: ARG002, FBT001, FBT002 - as redis-py's
        """Commands that go out together, to each node its own."""
        return ClusterPipeline(self)

    def xread(self, streams: Any, count: int | None = None, block: int | None = None) -> Any:  # type: ignore[override]  # noqa: ANN401 - any reply
        """As redis-py's; streams of several nodes are looked at in turn."""
        if len(streams) == 1:
            return super().xread(streams, count, block)
        deadline = time.monotonic() + (block or 0) / 1000
        while True:
            with self.pipeline() as pipeline:
                for name, after in streams.items():
                    pipeline.xread({name: after}, count)
                found = [reply for reply in pipeline.execute() if reply]
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(POLL_S)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def _asking(self, node: Node, words: tuple[Any, ...], options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any reply
        with self.at(node).pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*words, **options)
            reply = pipeline.execute(raise_on_error=False)[1]
        if isinstance(reply, Exception):
            raise worded(reply)
        return reply


class ClusterPipeline(Pipeline):
    """Commands of several nodes; one that is no command of a key is done at each of them."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        super().__init__(client.connection_pool, client.response_callbacks, False, None)  # noqa: FBT003 - as redis-py has it

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as redis-py's
        """Send them, a pipeline per node; what is a redirection is followed, one by one."""
        plan = Plan([(words, options) for words, options in self.command_stack], self._client.node)
        self.reset()
        for node, commands in plan.by_node():
            try:
                with self._client.at(node).pipeline(transaction=False) as pipeline:
                    for words, options in commands:
                        pipeline.execute_command(*words, **options)
                    plan.learn(node, pipeline.execute(raise_on_error=False))
            except (RedisConnectionError, RedisTimeoutError) as error:
                self._client.routes.note(error)
                raise
        for at, redirection, words, options in plan.redirected():
            self._client.routes.note(redirection)
            try:
                plan.replies[at] = self._client.once(words, options)
            except RedisError as failure:
                plan.replies[at] = failure
        return plan.answers(raise_on_error=raise_on_error)
