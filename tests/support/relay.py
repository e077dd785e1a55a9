"""A relay before the queue that passes commands on and loses the answers to some, as often as it is told."""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class LosesReplies:
    """Commands reach the server and are done; their answers do not come back, the connection ends.

    Args:
        path: where it listens.
        server: the queue's socket.
        to: the command whose answers may be lost; any script's when not given.

    Attributes:
        url: for clients.
        losing: answers that are yet to be lost.
    """

    def __init__(self, path: Path, server: Path, to: bytes = b"EVAL") -> None:
        self.url = f"unix://{path}"
        self.losing = 0
        self._server = str(server)
        self._to = to
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                doomed = threading.Event()
                for pump in (self._up, self._down):
                    threading.Thread(target=pump, args=(client, server, doomed), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while commands := client.recv(1 << 20):
                if self.losing > 0 and self._to in commands:
                    doomed.set()
                server.sendall(commands)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # ends the other pump, which closes both

    def _down(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while answers := server.recv(1 << 20):
                if doomed.is_set():
                    self.losing = max(0, self.losing - 1)
                    break
                client.sendall(answers)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # also for the other pump, which waits for it
            end.close()
