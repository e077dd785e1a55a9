"""A primary, a replica and three Sentinels: real processes on loopback, for a fail-over that really happens."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.servers import Server, free_port
from tests.support.waiting import eventually

SERVICE = "main"
SENTINELS = 3
DOWN_AFTER_MS = 500


class Watched:
    """Two servers, watched over.

    Args:
        binary: of all of them.
        folder: for their files.
    """

    def __init__(self, binary: str, folder: Path) -> None:
        self._stack = ExitStack()
        self._binary = binary
        self._folder = folder
        self.primary = self._server("a")
        self.replica = self._server("b", {"replicaof": f"127.0.0.1 {self.primary.port}"})
        self.sentinels = [self._sentinel(number) for number in range(SENTINELS)]
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        self.url = f"redis+sentinel://{hosts}/{SERVICE}/0"
        assert eventually(lambda: all(self._ready(one) for one in self.sentinels)), self.sentinels[0].log[-2000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def named(self) -> int:
        """The port of the primary that the first Sentinel names."""
        return int(self.sentinels[0].client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def failed_over(self) -> bool:
        """Whether the replica is the primary by now, and named so by all."""
        return self.replica.role() == "master" and self.named() == self.replica.port

    def _server(self, name: str, more: dict[str, str] | None = None) -> Server:
        port = free_port()
        options = {"port": str(port), "appendonly": "yes", "save": "", "repl-diskless-sync-delay": "0", **(more or {})}
        return self._stack.enter_context(Server(self._binary, self._folder / name, port, options))

    def _sentinel(self, number: int) -> Server:
        port, folder = free_port(), self._folder / f"sentinel-{number}"
        folder.mkdir(parents=True)
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nsentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        server = Server(self._binary, folder, port, {}, arguments=(str(config), "--sentinel"))
        return self._stack.enter_context(server)

    def _ready(self, sentinel: Server) -> bool:
        """Whether it knows the replica and the other Sentinels, so that it can elect."""
        reply = sentinel.client.execute_command("SENTINEL", "MASTER", SERVICE)
        facts = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        known = {str(name.decode() if isinstance(name, bytes) else name): value for name, value in facts.items()}
        return int(known["num-slaves"]) == 1 and int(known["num-other-sentinels"]) == SENTINELS - 1
