"""A relay before a server on a unix socket, whose every answer comes late."""

import asyncio
import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class Slow:
    """Passes bytes on; what the server says waits first.

    Args:
        path: where it listens.
        server: the server's socket.
        late_s: how long each answer waits.

    Attributes:
        url: for clients of Redis.
    """

    def __init__(self, path: Path, server: Path, late_s: float) -> None:
        self.url = f"unix://{path}"
        self._path, self._server, self._late_s = path, server, late_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._listening = await asyncio.start_unix_server(self._relay, str(self._path))

    async def _end(self) -> None:
        self._listening.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, commands = await asyncio.open_unix_connection(str(self._server))
        try:
            await asyncio.gather(self._pump(reader, commands, 0), self._pump(answers, writer, self._late_s))
        finally:
            for end in (writer, commands):
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late_s: float) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await asyncio.sleep(late_s)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
